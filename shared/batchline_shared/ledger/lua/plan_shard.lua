--! include _clock
--! include _work
--! include _shards
-- Creates the next shard of a job and moves the planning cursor past its rows, at once: planning twice,
-- or dying in between, makes the same shards.
-- KEYS: job's work, tally, due set of the shard's first stage, the job's shards.
-- ARGV: token, cursor expected, cursor new, prefix of work records, what shards' ids begin with, state, field,
--       value, ...
-- Returns the shard's number, or -1 when the lease is lost or the cursor is elsewhere.
if not holds(KEYS[1], ARGV[1]) then return -1 end
if redis.call('HGET', KEYS[1], 'cursor') ~= ARGV[2] then return -1 end
redis.call('HSET', KEYS[1], 'cursor', ARGV[3])
local fields = {unpack(ARGV, 7)}
return make_shard(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[4], ARGV[5], ARGV[6], fields, now_ms())
