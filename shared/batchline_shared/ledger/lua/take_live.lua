--! include _clock
-- Grants live calls to an account, so many a minute, whoever makes them: the generic cell rate algorithm.
-- KEYS: the account's live calls.  ARGV: calls wanted, milliseconds between two, milliseconds that may be
--       caught up on.
-- Returns {calls granted, milliseconds until the next one}.
local now = now_ms()
local interval = tonumber(ARGV[2])
local next_ms = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now - ARGV[3])
local granted = math.min(tonumber(ARGV[1]), math.max(0, math.floor((now - next_ms) / interval) + 1))
if granted > 0 then
  next_ms = next_ms + granted * interval
  redis.call('SET', KEYS[1], string.format('%.3f', next_ms), 'PX', math.ceil(next_ms - now) + 60000)
end
return {granted, math.max(0, math.ceil(next_ms - now))}
