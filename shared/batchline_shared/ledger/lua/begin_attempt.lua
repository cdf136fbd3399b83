-- Begins the attempt after `ARGV[1]`: the rows that waited for it are to be put into shards.
-- KEYS: meta, again, ready.  ARGV: the attempt that has ended.
-- Returns the attempt that is under way now; sent twice, or with nothing waiting, it begins one at most.
local attempt = redis.call('HGET', KEYS[1], 'attempt')
if attempt ~= ARGV[1] or redis.call('BITCOUNT', KEYS[2]) == 0 then return tonumber(attempt or '0') end
redis.call('RENAME', KEYS[2], KEYS[3])
return redis.call('HINCRBY', KEYS[1], 'attempt', 1)
