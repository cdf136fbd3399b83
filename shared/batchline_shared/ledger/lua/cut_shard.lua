--! include _clock
--! include _work
--! include _shards
-- Cuts a shard that is too large for any room: it keeps its first rows, and new shards of the same kind get the
-- others. All are due at once. Nothing of it may be at the provider but files and refused batches.
-- KEYS: shard's work, tally, due set of submission, the job's work, the job's shards.
-- ARGV: shard, token, prefix of work records, what shards' ids begin with, number of fields of a piece,
--       then for each piece: field, value, ...; the first piece is what the shard keeps.
-- Returns 1, or 0 when the lease is lost.
if not holds(KEYS[1], ARGV[2]) then return 0 end
local now, size = now_ms(), 2 * tonumber(ARGV[5])
local job, route, attempt = unpack(redis.call('HMGET', KEYS[1], 'job', 'route', 'attempt'))
for at = 6 + size, #ARGV, size do
  local fields = {'job', job, 'route', route, 'attempt', attempt, unpack(ARGV, at, at + size - 1)}
  make_shard(KEYS[4], KEYS[2], KEYS[3], KEYS[5], ARGV[3], ARGV[4], 'pending', fields, now)
end
enter(KEYS[1], KEYS[2], 'shard', 'pending')
redis.call('HSET', KEYS[1], unpack(ARGV, 6, 5 + size))
redis.call('HINCRBY', KEYS[1], 'cuts', 1)
leave_file(KEYS[1], '')
redis.call('HSET', KEYS[1], 'file_id', '', 'message', '', 'idle_polls', 0)
redis.call('HSET', KEYS[1], 'token', next_token(KEYS[1], now), 'lease_until', 0)
redis.call('ZADD', KEYS[3], now, ARGV[1])
return 1
