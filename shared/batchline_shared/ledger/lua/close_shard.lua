--! include _clock
--! include _work
-- Ends a shard whose rows all have their outcome; the job's last one makes the job due for settling.
-- KEYS: shard's work, tally, due set it is in, job's work, due set of settling.
-- ARGV: shard id, token, state, job id, field, value, ...
if not holds(KEYS[1], ARGV[2]) then return 0 end
local now = now_ms()
enter(KEYS[1], KEYS[2], 'shard', ARGV[3])
redis.call('HSET', KEYS[1], 'token', next_token(KEYS[1], now), 'lease_until', 0, 'closed_ms', now)
set_fields(KEYS[1], now, 5)
redis.call('ZREM', KEYS[3], ARGV[1])
-- The job's work may be gone: then there is nothing to settle, and counting would bring half of it back.
if redis.call('EXISTS', KEYS[4]) == 0 then return 1 end
if redis.call('HINCRBY', KEYS[4], 'open', -1) <= 0 and redis.call('HGET', KEYS[4], 'state') == 'wait' then
  enter(KEYS[4], KEYS[2], 'job', 'settle')
  redis.call('ZADD', KEYS[5], now, ARGV[4])
end
return 1
