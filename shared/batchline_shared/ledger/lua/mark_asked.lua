-- Marks rows as asked through the live API, before they are.  KEYS: meta, done, asked.  ARGV: 'row,row,...'.
-- Returns the rows that this call has marked: no row is ever given out twice, were its answer to get lost.
local marked = {}
if redis.call('EXISTS', KEYS[1]) == 0 then return marked end
for row in string.gmatch(ARGV[1], '%d+') do
  if redis.call('GETBIT', KEYS[2], row) == 0 and redis.call('SETBIT', KEYS[3], row, 1) == 0 then
    marked[#marked + 1] = tonumber(row)
  end
end
return marked
