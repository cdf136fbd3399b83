--! include _clock
--! include _work
-- KEYS: work record, due set.  ARGV: member, token, lease in ms.  Returns 1, or 0 when the lease is lost.
if not holds(KEYS[1], ARGV[2]) then return 0 end
local until_ms = now_ms() + ARGV[3]
redis.call('HSET', KEYS[1], 'lease_until', until_ms)
redis.call('ZADD', KEYS[2], 'XX', until_ms, ARGV[1])
return 1
