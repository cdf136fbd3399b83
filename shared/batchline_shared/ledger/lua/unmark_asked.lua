-- Takes marks back from rows whose live call was refused for now: nothing was run.
-- KEYS: meta, asked.  ARGV: 'row,row,...'.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for row in string.gmatch(ARGV[1], '%d+') do redis.call('SETBIT', KEYS[2], row, 0) end
return 1
