--! include _clock
--! include _work
--! include _deliveries
-- Forgets the work of a finished job. A shard that left something at its provider stays until that is deleted
-- there, due now, but no longer than the grace; one that is still at work for others stays as it is.
-- KEYS: job's work, the job's shards, due set of cleaning up, due set of planning, tally, its timer's record, due
--       sets of deadlines and of notifying.
-- ARGV: prefix of work records, grace in ms, job id, timer.
-- Returns 1, or 0 while a worker has not closed the job's work.
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'plan' then
  -- Opened for a retry that is refused, as the job is marked, or for an enqueue that failed; nobody else plans it.
  -- Taken off first: a server that is full lets a script write that has made room.
  redis.call('ZREM', KEYS[4], ARGV[3])
  enter(KEYS[1], KEYS[5], 'job', 'closed')
elseif state and state ~= 'closed' then
  return 0
end
local now = now_ms()
for _, shard in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local work = ARGV[1] .. shard
  local left = redis.call('HMGET', work, 'state', 'file_id', 'batch_id', 'cleaned', 'lease_until', 'left_files')
  if not left[1] or left[1] == 'done' then
    if (left[2] or '') .. (left[3] or '') .. (left[6] or '') ~= '' and left[4] ~= '1' then
      redis.call('HSET', work, 'idle_polls', 0)
      redis.call('PEXPIRE', work, ARGV[2])
      if tonumber(left[5] or '0') <= now then redis.call('ZADD', KEYS[3], now, shard) end
    else
      redis.call('DEL', work)
      redis.call('ZREM', KEYS[3], shard)
    end
    redis.call('ZREM', KEYS[2], shard)
  end
end
for _, member in ipairs(deliveries_of(ARGV[3], KEYS[1])) do
  redis.call('DEL', ARGV[1] .. member)
  redis.call('ZREM', KEYS[8], member)
end
redis.call('DEL', KEYS[1], KEYS[6])
redis.call('ZREM', KEYS[7], ARGV[4])
return 1
