--! include _fresh
-- Notes that rows failed in an attempt and wait for the next one; once for each row and attempt.
-- KEYS: meta, done, again, attempts.  ARGV: attempt, row numbers 'a,b,...', chunk, field, increment, ...
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
for i = 4, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return {1}
