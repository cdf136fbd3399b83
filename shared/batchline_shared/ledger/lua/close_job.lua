--! include _clock
--! include _work
-- Ends a job's work. Its records stay for the retention, so that an audit can pair batches with shards.
-- KEYS: job's work, tally, due set it is in, the job's shards.
-- ARGV: job id, token, prefix of work records, retention in ms, tally field, increment, ...
if not holds(KEYS[1], ARGV[2]) then return 0 end
enter(KEYS[1], KEYS[2], 'job', 'closed')
redis.call('HSET', KEYS[1], 'token', next_token(KEYS[1], now_ms()), 'lease_until', 0)
redis.call('ZREM', KEYS[3], ARGV[1])
-- A job that was retried ends again: its counts replace those of its last end.
for field, n in string.gmatch(redis.call('HGET', KEYS[1], 'counted') or '', '([^,]+),(%d+)') do
  redis.call('HINCRBY', KEYS[2], field, -n)
end
local counted = {}
for i = 5, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
  counted[#counted + 1] = ARGV[i] .. ',' .. ARGV[i + 1]
end
redis.call('HSET', KEYS[1], 'counted', table.concat(counted, ','))
if tonumber(ARGV[4]) > 0 then
  for _, shard in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
    redis.call('PEXPIRE', ARGV[3] .. shard, ARGV[4])
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('PEXPIRE', KEYS[4], ARGV[4])
end
return 1
