--! include _clock
--! include _admission
-- Counts a failure of a route's provider, and stops the route when there were some in a row.
-- KEYS, ARGV[1]: see _admission.  ARGV: this call's own mark, failures that stop it, milliseconds of the first
--       stop, milliseconds of the longest.
-- Returns the milliseconds for which the route is stopped.
local now = now_ms()
local stop_ms = count('open_until') - now
-- Calls that began before the stop fail after it, and say nothing new.
if not first_time(ARGV[2], now) or stop_ms > 0 then return math.max(stop_ms, 0) end
local failures = redis.call('HINCRBY', KEYS[4], 'failures', 1)
redis.call('HDEL', KEYS[4], 'probe', 'probe_until')
if failures < tonumber(ARGV[3]) then return 0 end
stop_ms = math.min(ARGV[4] * 2 ^ math.min(failures - ARGV[3], 30), tonumber(ARGV[5]))
redis.call('HSET', KEYS[4], 'open_until', whole(now + stop_ms))
return stop_ms
