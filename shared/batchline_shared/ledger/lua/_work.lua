--! include _life
-- Moves a work record to another state and keeps the gauges' tally true.
local function enter(work, tally, kind, state)
  local before = redis.call('HGET', work, 'state')
  if before == state then return end
  if before then redis.call('HINCRBY', tally, kind .. '.' .. before, -1) end
  redis.call('HINCRBY', tally, kind .. '.' .. state, 1)
  redis.call('HSET', work, 'state', state)
end

-- The next lease's token. It only grows, and holds the time: a server that lost its last second to a power
-- cut must not hand out a token that a worker still holds.
local function next_token(work, now)
  return math.max(now, (tonumber(redis.call('HGET', work, 'token') or '') or 0) + 1)
end

-- Whether `token` is still the newest lease: every write by a worker depends on it.
local function holds(work, token)
  return redis.call('HGET', work, 'token') == token
end

-- Whether it is, and the server lives on since: what the holder wrote elsewhere under the lease is there for sure.
local function holds_since(work, token)
  return holds(work, token) and redis.call('HGET', work, 'life') == life()
end

-- Remembers a shard's input before another one, or none, takes its place: it is still at the provider, and is
-- to be deleted with the rest.
local function leave_file(work, file)
  local record = redis.call('HMGET', work, 'file_id', 'left_files')
  local before = record[1] or ''
  if before == '' or before == file then return end
  local left = record[2] and record[2] .. ' ' .. before or before
  redis.call('HSET', work, 'left_files', left, 'cleaned', 0)
end

-- Writes field/value pairs from ARGV[first] on; the value '@now' becomes the server's time.
local function set_fields(work, now, first)
  for i = first, #ARGV, 2 do
    local value = ARGV[i + 1]
    if value == '@now' then value = now end
    if ARGV[i] == 'file_id' then leave_file(work, value) end
    redis.call('HSET', work, ARGV[i], value)
  end
end
