-- Forgets a job that was never committed.  KEYS: all keys of the job.  Returns 0 when it was.
local status = redis.call('HGET', KEYS[1], 'status')
if status and status ~= 'staging' then return 0 end
redis.call('DEL', unpack(KEYS))
return 1
