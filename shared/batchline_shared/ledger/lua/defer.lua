--! include _fresh
--! include _notes
-- Notes that rows failed in an attempt and wait for the next one; once for each row and attempt.
-- KEYS: meta, done, again, attempts, reasks.
-- ARGV: attempt, row numbers 'a,b,...', chunk, how many parts of notes (0: the provider failed, and is to be
--       given time), block, part, ..., field, increment, ...
-- Returns as land.lua; {0} also when another attempt is under way.
if redis.call('EXISTS', KEYS[1]) == 0 then return {-1} end
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[1] then return {0} end
local rows, fresh = fresh_rows(ARGV[2], function(row)
  return redis.call('GETBIT', KEYS[2], row) == 1 or redis.call('GETBIT', KEYS[3], row) == 1
end)
if #fresh == 0 then return {0} end
if #fresh < #rows then
  table.insert(fresh, 1, 2)
  return fresh
end
for _, row in ipairs(rows) do redis.call('SETBIT', KEYS[3], row, 1) end
redis.call('HSET', KEYS[4], redis.call('HINCRBY', KEYS[1], 'logged', 1) - 1, ARGV[3])
local parts = tonumber(ARGV[4])
append_notes(KEYS[5], 5, parts)
if parts == 0 then redis.call('HSET', KEYS[1], 'failed_attempt', ARGV[1]) end
for i = 5 + 2 * parts, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return {1}
