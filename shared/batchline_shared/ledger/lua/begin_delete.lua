-- Marks a finished job as being deleted: from here on it is not retried, and only deleting ends it.
-- KEYS: meta.  Returns 1 when it is marked, by this call or before; 0 when it has not ended; -1 when it is gone.
local status = redis.call('HGET', KEYS[1], 'status')
if not status or status == 'staging' then return -1 end
if not (status == 'completed' or status == 'failed' or status == 'cancelled' or status == 'expired') then
  return 0
end
redis.call('HSET', KEYS[1], 'deleting', 1)
return 1
