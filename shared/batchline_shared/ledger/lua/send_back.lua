--! include _clock
--! include _work
-- Sends a rider out of a carrier that comes to nothing into another pool; whoever holds it loses it.
-- KEYS: rider's work, tally, due set of submission.  ARGV: rider, carrier, pool.
local found = redis.call('HMGET', KEYS[1], 'state', 'carrier')
if found[1] ~= 'pooled' or found[2] ~= ARGV[2] then return 0 end
local now = now_ms()
enter(KEYS[1], KEYS[2], 'shard', 'pending')
redis.call('HDEL', KEYS[1], 'carrier')
redis.call('HSET', KEYS[1], 'pool', ARGV[3], 'created_ms', now, 'token', next_token(KEYS[1], now), 'lease_until', 0)
redis.call('ZADD', KEYS[3], now, ARGV[1])
return 1
