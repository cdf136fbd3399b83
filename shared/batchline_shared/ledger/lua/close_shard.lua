--! include _clock
--! include _work
--! include _close
-- Ends a shard whose rows all have their outcome.
-- KEYS: shard's work, tally, due set it is in, job's work, due set of settling.
-- ARGV: shard id, token, job id, field, value, ...
if not holds(KEYS[1], ARGV[2]) then return 0 end
local now = now_ms()
close(ARGV[1], KEYS[1], KEYS[2], KEYS[3], now)
set_fields(KEYS[1], now, 4)
count_closed(ARGV[3], KEYS[4], KEYS[2], KEYS[5], now)
return 1
