--! include _clock
--! include _work
--! include _deliveries
-- Ends a job's work. Its records stay for the retention, so that an audit can pair batches with shards.
-- Who is to be told of it is due now: each end is told for itself, under a number of its own.
-- KEYS: job's work, tally, due set it is in, the job's shards, due set of cleaning up, its timer's record, due
--       sets of deadlines and of notifying.
-- ARGV: job id, token, prefix of work records, retention in ms, delay until cleaning up in ms ('' = never),
--       timer, what is told, task, webhook ('' = none), the job's round, tally field, increment, ...
if not holds_since(KEYS[1], ARGV[2]) then return 0 end
enter(KEYS[1], KEYS[2], 'job', 'closed')
local now = now_ms()
redis.call('HSET', KEYS[1], 'token', next_token(KEYS[1], now), 'lease_until', 0)
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[6])
redis.call('ZREM', KEYS[7], ARGV[6])
-- A job that was retried ends again: its counts replace those of its last end. Not -n: Redis 7.0 writes the
-- negative of 0 as -0, and takes that for no number.
for field, n in string.gmatch(redis.call('HGET', KEYS[1], 'counted') or '', '([^,]+),(%d+)') do
  redis.call('HINCRBY', KEYS[2], field, 0 - n)
end
local counted = {}
for i = 11, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
  counted[#counted + 1] = ARGV[i] .. ',' .. ARGV[i + 1]
end
redis.call('HSET', KEYS[1], 'counted', table.concat(counted, ','))
-- Work that was opened for a retry which never reopened the job is closed without a further end.
local told = redis.call('HGET', KEYS[1], 'told') == ARGV[10]
if ARGV[8] .. ARGV[9] ~= '' and not told then
  redis.call('HSET', KEYS[1], 'told', ARGV[10])
  local number = redis.call('HINCRBY', KEYS[1], 'ends', 1)
  for kind, target in pairs({task = ARGV[8], webhook = ARGV[9]}) do
    if target ~= '' then
      local member = ARGV[1] .. '-' .. kind .. '-' .. number
      local work = ARGV[3] .. member
      redis.call('HSET', work, 'token', 0, 'lease_until', 0, 'state', 'pending', 'job', ARGV[1], 'number', number,
        'kind', kind, 'target', target, 'event', ARGV[7], 'ended_ms', now, 'next_ms', now)
      redis.call('ZADD', KEYS[8], now, member)
    end
  end
end
local expires = tonumber(ARGV[4]) > 0
for _, shard in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
  local work = ARGV[3] .. shard
  local left = redis.call('HMGET', work, 'file_id', 'batch_id', 'cleaned', 'left_files')
  local something = (left[1] or '') .. (left[2] or '') .. (left[4] or '') ~= ''
  if ARGV[5] ~= '' and something and left[3] ~= '1' then
    redis.call('ZADD', KEYS[5], now + ARGV[5], shard)
  end
  if expires then redis.call('PEXPIRE', work, ARGV[4]) end
end
if expires then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('PEXPIRE', KEYS[4], ARGV[4])
  for _, member in ipairs(deliveries_of(ARGV[1], KEYS[1])) do
    redis.call('PEXPIRE', ARGV[3] .. member, ARGV[4])
  end
end
return 1
