--! include _clock
--! include _work
-- Creates or reopens a job's work record, due for planning after a delay.
-- KEYS: work record, tally, due set of planning.  ARGV: job id, delay in ms, field, value, ...
-- The token only grows, so that a lease from before cannot write into the new round.
local now = now_ms()
local before = redis.call('HGET', KEYS[1], 'state')
if before and before ~= 'closed' then
  return 0
end
redis.call('PERSIST', KEYS[1])
enter(KEYS[1], KEYS[2], 'job', 'plan')
redis.call('HINCRBY', KEYS[1], 'token', 1)
redis.call('HSET', KEYS[1], 'open', 0, 'lease_until', 0)
redis.call('HDEL', KEYS[1], 'cancel')
set_fields(KEYS[1], now, 3)
redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[1])
return now
