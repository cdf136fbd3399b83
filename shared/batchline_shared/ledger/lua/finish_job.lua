--! include _clock
-- Gives a job its final status and its time to live.  KEYS: all keys of the job.
-- ARGV: status, message, retention in ms (0 = for ever), channel, rows that the caller has counted as done.
-- Returns 1 final now; 2 it was final before; 0 not while a retry takes outcomes back, nor where some of these are
-- missing, as a restart has lost them; -1 it is gone.
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return -1 end
if status == 'completed' or status == 'failed' or status == 'cancelled' or status == 'expired' then return 2 end
if redis.call('HGET', KEYS[1], 'retrying') == '1' then return 0 end
if redis.call('BITCOUNT', KEYS[5]) < tonumber(ARGV[5]) then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[1], 'message', ARGV[2], 'finished_ms', now_ms())
if tonumber(ARGV[3]) > 0 then
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3]) end
end
redis.call('PUBLISH', ARGV[4], ARGV[1])
return 1
