--! include _clock
--! include _admission
-- Moves a model's factor of token estimates towards what was used.
-- KEYS, ARGV[1]: see _admission.  ARGV: model, this call's own mark, tokens as estimated, tokens used,
--       weight of this in the average, least factor, largest factor, seconds for which it is kept.
-- Returns the factor.
local field = 'factor ' .. ARGV[2]
local factor = redis.call('HGET', KEYS[6], field)
if not first_time(ARGV[3], now_ms()) then return factor or '1' end
local seen = math.min(math.max(ARGV[5] / ARGV[4], ARGV[7]), tonumber(ARGV[8]))
if factor then seen = factor + ARGV[6] * (seen - factor) end
redis.call('HSET', KEYS[6], field, string.format('%.6f', seen))
redis.call('EXPIRE', KEYS[6], ARGV[9])
return string.format('%.6f', seen)
