-- Takes outcomes back so that their requests can be tried again.  KEYS: meta, done, outcomes.
-- ARGV: landing number, chunk as it was read, chunk without them, 'row,row,...', field, decrement, ...
-- Returns 1, or 0 when the chunk is not as it was read, or no retry is open.
if redis.call('HGET', KEYS[1], 'retrying') ~= '1' then return 0 end
if redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
for row in string.gmatch(ARGV[4], '%d+') do redis.call('SETBIT', KEYS[2], row, 0) end
for i = 5, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], -ARGV[i + 1]) end
return 1
