--! include _clock
--! include _work
--! include _close
-- Ends a rider whose rows all have their outcome, if it rides in this carrier; whoever holds it loses it.
-- KEYS: rider's work, tally, due set it is in, job's work, due set of settling.
-- ARGV: rider, carrier, job id, field, value, ...
local found = redis.call('HMGET', KEYS[1], 'state', 'carrier')
if found[1] ~= 'pooled' or found[2] ~= ARGV[2] then return 0 end
local now = now_ms()
close(ARGV[1], KEYS[1], KEYS[2], KEYS[3], now)
set_fields(KEYS[1], now, 4)
count_closed(ARGV[3], KEYS[4], KEYS[2], KEYS[5], now)
return 1
