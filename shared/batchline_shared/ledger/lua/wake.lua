--! include _clock
-- Makes a member due now, unless somebody works on it.  KEYS: work record, due set.  ARGV: member.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local now = now_ms()
if tonumber(redis.call('HGET', KEYS[1], 'lease_until') or '0') > now then return 0 end
redis.call('ZADD', KEYS[2], 'XX', now, ARGV[1])
return 1
