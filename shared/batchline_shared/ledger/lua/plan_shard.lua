--! include _clock
--! include _work
-- Creates the next shard of a job and moves the planning cursor past its rows, at once: planning twice,
-- or dying in between, makes the same shards.
-- KEYS: job's work, tally, shard's work, due set of submission, the job's shards.
-- ARGV: token, cursor expected, cursor new, shard id, shard number, field, value, ...
if not holds(KEYS[1], ARGV[1]) then return 0 end
if redis.call('HGET', KEYS[1], 'cursor') ~= ARGV[2] then return 0 end
local now = now_ms()
redis.call('HSET', KEYS[1], 'cursor', ARGV[3], 'next_shard', ARGV[5] + 1)
redis.call('HINCRBY', KEYS[1], 'open', 1)
enter(KEYS[3], KEYS[2], 'shard', 'pending')
redis.call('HSET', KEYS[3], 'token', 0, 'lease_until', 0, 'created_ms', now)
if redis.call('HGET', KEYS[1], 'cancel') == '1' then redis.call('HSET', KEYS[3], 'cancel', 1) end
set_fields(KEYS[3], now, 6)
redis.call('ZADD', KEYS[4], now, ARGV[4])
redis.call('ZADD', KEYS[5], ARGV[5], ARGV[4])
return 1
