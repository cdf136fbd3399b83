-- Says how many requests an adopted job has: as its provider counts them, or as they have been named.
-- KEYS: meta.  ARGV: total, channel.  Returns 0 when the job has ended or is gone, and keeps what it had.
local status = redis.call('HGET', KEYS[1], 'status')
if not status or status == 'completed' or status == 'failed' or status == 'cancelled' or status == 'expired' then
  return 0
end
redis.call('HSET', KEYS[1], 'total', ARGV[1])
redis.call('PUBLISH', ARGV[2], 'counted')
return 1
