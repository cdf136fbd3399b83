-- Gives rows their outcome, each exactly once: a row whose bit is set has one already.
-- KEYS: meta, done, outcomes.  ARGV: row numbers 'a,b,...', chunk, channel, field, increment, ...
-- Returns {1} landed; {0} nothing new; {2, position, ...} only these positions are new: call again with
-- those; {-1} the job is gone.
if redis.call('EXISTS', KEYS[1]) == 0 then return {-1} end
local rows, fresh, met = {}, {}, {}
for row in string.gmatch(ARGV[1], '%d+') do
  rows[#rows + 1] = row
  -- A provider's file may name a row twice: only the first counts.
  if not met[row] and redis.call('GETBIT', KEYS[2], row) == 0 then fresh[#fresh + 1] = #rows - 1 end
  met[row] = true
end
if #fresh == 0 then return {0} end
if #fresh < #rows then
  table.insert(fresh, 1, 2)
  return fresh
end
for _, row in ipairs(rows) do redis.call('SETBIT', KEYS[2], row, 1) end
local landing = redis.call('HINCRBY', KEYS[1], 'landed', 1) - 1
redis.call('HSET', KEYS[3], landing, ARGV[2])
for i = 4, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PUBLISH', ARGV[3], 'landed')
return {1}
