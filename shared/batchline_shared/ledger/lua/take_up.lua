--! include _clock
--! include _work
-- Has a member that was set aside worked on again, or given up: its crashes are forgotten.
-- KEYS: due set, what is set aside, work record.  ARGV: member, field, decision ('' = none).
-- Returns 1, or 0 when it is not set aside.
if redis.call('HDEL', KEYS[2], ARGV[2]) == 0 then return 0 end
local now = now_ms()
if redis.call('TYPE', KEYS[3]).ok == 'hash' then
  redis.call('HDEL', KEYS[3], 'quarantine', 'crashes', 'suspect')
  redis.call('HSET', KEYS[3], 'token', next_token(KEYS[3], now), 'lease_until', 0, 'decision', ARGV[3])
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
return 1
