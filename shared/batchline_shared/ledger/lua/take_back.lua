--! include _notes
-- Takes outcomes back so that their requests can be tried again, or their answers be sent back.
-- KEYS: meta, done, outcomes, attempts, ready, reasks.
-- ARGV: landing number, chunk as it was read, chunk without them, chunk of them, 'row,row,...',
--       how many parts of notes, block, part, ..., field, decrement, ...
-- Returns 1, or 0 when the chunk is not as it was read, or no retry is open.
if redis.call('HGET', KEYS[1], 'retrying') ~= '1' then return 0 end
local found = redis.call('HGET', KEYS[3], ARGV[1])
if found == ARGV[3] then return 1 end  -- sent twice, as the first answer was lost
if found ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[4], redis.call('HINCRBY', KEYS[1], 'logged', 1) - 1, ARGV[4])
for row in string.gmatch(ARGV[5], '%d+') do
  redis.call('SETBIT', KEYS[2], row, 0)
  redis.call('SETBIT', KEYS[5], row, 1)
end
local parts = tonumber(ARGV[6])
append_notes(KEYS[6], 7, parts)
for i = 7 + 2 * parts, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], -ARGV[i + 1]) end
return 1
