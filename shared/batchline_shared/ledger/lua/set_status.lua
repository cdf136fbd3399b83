--! include _clock
-- Moves a job on, if it is where it should be.
-- KEYS: meta.  ARGV: ',from,from,', to, channel, name of a time field ('' = none), field, value, ...
local status = redis.call('HGET', KEYS[1], 'status')
if not status or not string.find(ARGV[1], ',' .. status .. ',', 1, true) then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[2])
if ARGV[4] ~= '' then redis.call('HSETNX', KEYS[1], ARGV[4], now_ms()) end
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PUBLISH', ARGV[3], ARGV[2])
return 1
