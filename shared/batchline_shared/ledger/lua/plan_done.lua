--! include _clock
--! include _work
-- Ends planning: the job waits for its shards, or settles at once when none is open.
-- KEYS: job's work, tally, due set of planning, due set of settling.  ARGV: job id, token.
if not holds_since(KEYS[1], ARGV[2]) then return 0 end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[1], 'token', next_token(KEYS[1], now_ms()), 'lease_until', 0)
if tonumber(redis.call('HGET', KEYS[1], 'open')) > 0 then
  enter(KEYS[1], KEYS[2], 'job', 'wait')
else
  enter(KEYS[1], KEYS[2], 'job', 'settle')
  redis.call('ZADD', KEYS[4], now_ms(), ARGV[1])
end
return 1
