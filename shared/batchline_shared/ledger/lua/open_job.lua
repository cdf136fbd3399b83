--! include _clock
--! include _work
--! include _deliveries
-- Creates or reopens a job's work record, due for planning after a delay.
-- KEYS: work record, tally, due set of planning, the job's shards, its timer's record, due set of deadlines.
-- ARGV: job id, delay in ms, prefix of work records, timer, its time in ms ('' = no deadline), who opens it
--       ('' = does not ask whether), field, value, ...
-- Returns 0 when it is open, unless by the same one: sent twice, as the first answer was lost.
-- The token only grows, so that a lease from before cannot write into the new round.
local now = now_ms()
local before = redis.call('HGET', KEYS[1], 'state')
if before and before ~= 'closed' then
  return ARGV[6] ~= '' and redis.call('HGET', KEYS[1], 'opener') == ARGV[6] and now or 0
end
enter(KEYS[1], KEYS[2], 'job', 'plan')
redis.call('HSET', KEYS[1], 'token', next_token(KEYS[1], now), 'open', 0, 'lease_until', 0, 'opener', ARGV[6])
redis.call('HDEL', KEYS[1], 'cancel')
set_fields(KEYS[1], now, 7)
redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[1])
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[5], 'job', ARGV[1], 'state', 'waiting', 'token', next_token(KEYS[5], now), 'lease_until', 0)
  redis.call('ZADD', KEYS[6], ARGV[5], ARGV[4])
end
-- What was to expire with the finished job lives on with it: a shard that went would be asked for again.
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEYS[4])
for _, shard in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do redis.call('PERSIST', ARGV[3] .. shard) end
for _, member in ipairs(deliveries_of(ARGV[1], KEYS[1])) do redis.call('PERSIST', ARGV[3] .. member) end
return now
