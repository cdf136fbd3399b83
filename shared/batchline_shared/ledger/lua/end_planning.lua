-- Notes that every row of an attempt that was to be put into a shard is in one.
-- KEYS: meta, ready.  ARGV: the attempt.  Does nothing when another one is under way.
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[2])
