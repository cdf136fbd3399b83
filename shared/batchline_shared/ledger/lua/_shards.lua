-- Makes a job's next shard, due at once. The numbers are the ledger's own: a plan and a cut that go on
-- at the same time must not make the same one.
-- work: the job's. keys: tally, due set, the job's shards. stem: what shards' ids begin with. state: its first.
-- fields: {field, value, ...} to write. Returns its number.
local function make_shard(work, tally, due, shards, prefix, stem, state, fields, now)
  local number = tonumber(redis.call('HGET', work, 'next_shard') or '0')
  local shard = stem .. number
  local key = prefix .. shard
  redis.call('HSET', work, 'next_shard', number + 1)
  redis.call('HINCRBY', work, 'open', 1)
  enter(key, tally, 'shard', state)
  redis.call('HSET', key, 'token', 0, 'lease_until', 0, 'created_ms', now, unpack(fields))
  if redis.call('HGET', work, 'cancel') == '1' then redis.call('HSET', key, 'cancel', 1) end
  redis.call('ZADD', due, now, shard)
  redis.call('ZADD', shards, number, shard)
  return number
end
