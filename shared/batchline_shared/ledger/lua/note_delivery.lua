--! include _clock
--! include _work
-- Writes what came of an attempt to deliver, and when the next one is due.
-- KEYS: delivery's work, due set of notifying.
-- ARGV: delivery id, token, delay in ms ('' = no further attempt), field, value, ...
-- Returns 1, or 0 when the lease is lost.
if not holds(KEYS[1], ARGV[2]) then return 0 end
local now = now_ms()
redis.call('HSET', KEYS[1], 'token', next_token(KEYS[1], now), 'lease_until', 0, 'next_ms', 0)
set_fields(KEYS[1], now, 4)
redis.call('ZREM', KEYS[2], ARGV[1])
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'next_ms', now + ARGV[3])
  redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
end
return 1
