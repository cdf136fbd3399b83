--! include _clock
--! include _work
-- Ends a job's work. Its records stay for the retention, so that an audit can pair batches with shards.
-- KEYS: job's work, tally, due set it is in, the job's shards, due set of cleaning up, its timer's record, due
--       set of deadlines.
-- ARGV: job id, token, prefix of work records, retention in ms, delay until cleaning up in ms ('' = never),
--       timer, tally field, increment, ...
if not holds(KEYS[1], ARGV[2]) then return 0 end
enter(KEYS[1], KEYS[2], 'job', 'closed')
local now = now_ms()
redis.call('HSET', KEYS[1], 'token', next_token(KEYS[1], now), 'lease_until', 0)
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[6])
redis.call('ZREM', KEYS[7], ARGV[6])
-- A job that was retried ends again: its counts replace those of its last end.
for field, n in string.gmatch(redis.call('HGET', KEYS[1], 'counted') or '', '([^,]+),(%d+)') do
  redis.call('HINCRBY', KEYS[2], field, -n)
end
local counted = {}
for i = 7, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
  counted[#counted + 1] = ARGV[i] .. ',' .. ARGV[i + 1]
end
redis.call('HSET', KEYS[1], 'counted', table.concat(counted, ','))
local expires = tonumber(ARGV[4]) > 0
for _, shard in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
  local work = ARGV[3] .. shard
  local left = redis.call('HMGET', work, 'file_id', 'batch_id', 'cleaned')
  local something = (left[1] or '') .. (left[2] or '') ~= ''
  if ARGV[5] ~= '' and something and left[3] ~= '1' then
    redis.call('ZADD', KEYS[5], now + ARGV[5], shard)
  end
  if expires then redis.call('PEXPIRE', work, ARGV[4]) end
end
if expires then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('PEXPIRE', KEYS[4], ARGV[4])
end
return 1
