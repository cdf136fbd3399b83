--! include _clock
--! include _work
-- Gives a lease back whose member was not handled, or could not be; its crashes still count.
-- KEYS: work record, due set.  ARGV: member, token, delay in ms.  Returns 1, or 0 when the lease is lost.
if not holds(KEYS[1], ARGV[2]) then return 0 end
local now = now_ms()
-- Taken off first: a server that is full lets a script write that has made room.
redis.call('HDEL', KEYS[1], 'lease_until')
redis.call('HSET', KEYS[1], 'token', next_token(KEYS[1], now), 'lease_until', 0, 'suspect', 1)
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
return 1
