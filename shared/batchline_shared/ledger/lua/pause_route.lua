--! include _clock
--! include _admission
-- Lets nobody ahead for a while; the longer of two pauses counts.
-- KEYS, ARGV[1]: see _admission.  ARGV: milliseconds, this call's own mark.
local now = now_ms()
if not first_time(ARGV[3], now) then return end
redis.call('HSET', KEYS[4], 'paused_until', whole(math.max(count('paused_until'), now + ARGV[2])))
