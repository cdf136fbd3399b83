--! include _clock
--! include _life
-- Opens a job's record while its requests stream in; it goes by itself if its client dies. Again, once the
-- server has another life.
-- KEYS: meta.  ARGV: TTL in ms, field, value, ...  Returns its time of creation, or 0 when the id is taken.
-- Safe to send twice: the first answer may have been lost.
local status = redis.call('HGET', KEYS[1], 'status')
if status and status ~= 'staging' then return 0 end
local now = now_ms()
redis.call('HSET', KEYS[1], 'status', 'staging', 'landed', 0, 'succeeded', 0, 'errored', 0, 'attempt', 1,
  'life', life())
redis.call('HSETNX', KEYS[1], 'created_ms', now)
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return now
