--! include _clock
--! include _work
-- Sends a shard whose outcomes were lost back to collecting: reading results again is free, asking again is not.
-- KEYS: shard's work, tally, due set of collecting, job's work, due set of settling.  ARGV: shard id, job id, job's token.
if not holds(KEYS[4], ARGV[3]) then return 0 end
local state = redis.call('HGET', KEYS[1], 'state')
-- Sent twice, because the first answer was lost: a 0 would have its rows asked for, and paid for, again.
if state == 'collecting' then return 1 end
if state ~= 'done' then return 0 end
enter(KEYS[1], KEYS[2], 'shard', 'collecting')
local now = now_ms()
-- Whoever cleans up after it must not end it again.
redis.call('HSET', KEYS[1], 'token', next_token(KEYS[1], now), 'lease_until', 0)
redis.call('HSET', KEYS[1], 'idle_polls', 0, 'unseen', 0, 'gone', 0)
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('HINCRBY', KEYS[4], 'open', 1)
enter(KEYS[4], KEYS[2], 'job', 'wait')
redis.call('ZREM', KEYS[5], ARGV[2])
return 1
