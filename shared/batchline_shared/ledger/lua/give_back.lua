--! include _clock
--! include _admission
-- Frees what a shard holds, or takes it out of the queue, and admits whoever is next.
-- KEYS, ARGV[1]: see _admission.  ARGV: shard, this call's own mark, the record as it was seen ('' = any).
-- Returns the shards to be woken.
local PREFIX, shard = ARGV[1], ARGV[2]
local now = now_ms()
local record = redis.call('HGET', KEYS[1], shard)
if not first_time(ARGV[3], now) or not record or (ARGV[4] ~= '' and ARGV[4] ~= record) then return {} end
local one = read(record)
if redis.call('ZREM', KEYS[2], shard) == 1 then
  free(one)
  redis.call('HDEL', KEYS[1], shard)
  redis.call('HDEL', KEYS[4], 'refused ' .. one.model)
else
  withdraw(shard, one)
end
if state('probe') == shard then redis.call('HDEL', KEYS[4], 'probe', 'probe_until') end
return (admit(now))
