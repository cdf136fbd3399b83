--! include _fresh
-- Gives rows their outcome, each exactly once: a row whose bit is set has one already.
-- KEYS: meta, done, outcomes, again, ready.
-- ARGV: row numbers 'a,b,...', chunk, channel, 1 to leave rows alone that wait for another attempt, field,
--       increment, ...
-- Returns {1} landed; {0} nothing new; {2, position, ...} only these positions are new: call again with
-- those; {-1} the job is gone.
if redis.call('EXISTS', KEYS[1]) == 0 then return {-1} end
local rows, fresh = fresh_rows(ARGV[1], function(row)
  return redis.call('GETBIT', KEYS[2], row) == 1 or (ARGV[4] == '1' and redis.call('GETBIT', KEYS[4], row) == 1)
end)
if #fresh == 0 then return {0} end
if #fresh < #rows then
  table.insert(fresh, 1, 2)
  return fresh
end
for _, row in ipairs(rows) do redis.call('SETBIT', KEYS[2], row, 1) end
for _, key in ipairs({KEYS[4], KEYS[5]}) do
  if redis.call('EXISTS', key) == 1 then
    for _, row in ipairs(rows) do redis.call('SETBIT', key, row, 0) end
  end
end
local landing = redis.call('HINCRBY', KEYS[1], 'landed', 1) - 1
redis.call('HSET', KEYS[3], landing, ARGV[2])
for i = 5, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PUBLISH', ARGV[3], 'landed')
return {1}
