-- Lets rows that no shard ever held be put into one.  KEYS: meta, done, again, ready.  ARGV: 'row,row,...'.
-- Returns how many are; not those that have an outcome or wait for another attempt.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local count = 0
for row in string.gmatch(ARGV[1], '%d+') do
  if redis.call('GETBIT', KEYS[2], row) == 0 and redis.call('GETBIT', KEYS[3], row) == 0 then
    redis.call('SETBIT', KEYS[4], row, 1)
    count = count + 1
  end
end
return count
