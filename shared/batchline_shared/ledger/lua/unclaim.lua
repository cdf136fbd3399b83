-- Frees a key that still stands for this job or shard.  KEYS: idempotency key, or gate.  ARGV: its id.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
