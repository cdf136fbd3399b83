--! include _clock
-- Makes a member due now. Whoever works on it just then is told when giving it back: what woke it may be
-- newer than what they know.  KEYS: work record, due set.  ARGV: member.
-- Returns 1 when it was waiting there.
if redis.call('EXISTS', KEYS[1]) == 0 or not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
local now = now_ms()
if tonumber(redis.call('HGET', KEYS[1], 'lease_until') or '0') > now then
  redis.call('HSET', KEYS[1], 'woken', redis.call('HGET', KEYS[1], 'token'))
  return 0
end
redis.call('ZADD', KEYS[2], 'XX', now, ARGV[1])
return 1
