-- From here on the job is real.  KEYS: all keys of the job.  ARGV: field, value, ...
-- Returns 1; 0 when it was committed before; -1 when its record has expired or was wiped.
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return -1 end
if status ~= 'staging' then return 0 end
redis.call('HSET', KEYS[1], 'status', 'queued')
for i = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
for _, key in ipairs(KEYS) do redis.call('PERSIST', key) end
return 1
