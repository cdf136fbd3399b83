--! include _clock
--! include _life
-- Reopens a finished job for another round, with as many attempts as its policy has.
-- A deadline that has passed binds it no more.  KEYS: all keys of the job.  ARGV: channel, who retries.
-- Returns the round, or 0 when the job is not finished, or is being deleted.
local status = redis.call('HGET', KEYS[1], 'status')
-- Sent twice, as the first answer was lost; or done again, in another life of the server.
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], 'retrier') == ARGV[2] then
  redis.call('HSET', KEYS[1], 'life', life())
  return tonumber(redis.call('HGET', KEYS[1], 'round'))
end
if not (status == 'completed' or status == 'failed' or status == 'cancelled' or status == 'expired') then
  return 0
end
if redis.call('HGET', KEYS[1], 'deleting') == '1' then return 0 end
redis.call('HSET', KEYS[1], 'status', 'queued', 'message', '', 'retrying', 1, 'retrier', ARGV[2],
  'life', life())
redis.call('HDEL', KEYS[1], 'finished_ms', 'overdue')
if tonumber(redis.call('HGET', KEYS[1], 'deadline_ms') or '0') <= now_ms() then
  redis.call('HDEL', KEYS[1], 'deadline_ms', 'on_deadline')
end
local attempt = redis.call('HINCRBY', KEYS[1], 'attempt', 1)
redis.call('HSET', KEYS[1], 'last_attempt', attempt + (redis.call('HGET', KEYS[1], 'max_attempts') or 1) - 1)
redis.call('DEL', KEYS[7], KEYS[9], KEYS[10])  -- again, ready, asked: only what is taken back from here on is tried
for _, key in ipairs(KEYS) do redis.call('PERSIST', key) end
redis.call('PUBLISH', ARGV[1], 'queued')
return redis.call('HINCRBY', KEYS[1], 'round', 1)
