--! include _clock
-- Notes that a job's deadline has passed, and says so to whoever looks at it.
-- KEYS: meta.  ARGV: message, channel.
-- Returns 1 when it has, by this call or before; 0 when nothing follows from it: the job has ended, is being
-- cancelled, or has none; less than 0 where it has not been reached: the milliseconds that are left.
local status = redis.call('HGET', KEYS[1], 'status')
if not (status == 'queued' or status == 'submitting' or status == 'in_progress') then return 0 end
local deadline = tonumber(redis.call('HGET', KEYS[1], 'deadline_ms') or '')
if not deadline then return 0 end
if deadline > now_ms() then return now_ms() - deadline end
redis.call('HSET', KEYS[1], 'overdue', 1, 'message', ARGV[1])
redis.call('PUBLISH', ARGV[2], 'deadline')
return 1
