--! include _clock
--! include _work
-- Puts a rider into its pool's open carrier, or into a new one. Called again, it says where the rider is.
-- KEYS: pool, the pool's passengers, tally, due set of submission.
-- ARGV: prefix of work records, prefix of berths, pool, rider, its berth, rows, inputs, tokens, bytes,
--       most inputs, most tokens, most bytes, longest wait in ms from its creation, its creation, life of the
--       pool's key in ms, delay of a full carrier in ms, field, value, ... (of a new carrier)
-- Returns the carrier's id.
local works, pool, rider = ARGV[1], ARGV[3], ARGV[4]
local rows, inputs, tokens, bytes = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local most_inputs, most_tokens, most_bytes = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local place = redis.call('HGET', KEYS[2], rider)
if place then return (string.match(place, '^%S+')) end
local now = now_ms()

-- Shortly after, so that whoever has just joined can write that it has.
local function fill(carrier, work)
  enter(work, KEYS[3], 'shard', 'pending')
  redis.call('HSET', work, 'token', next_token(work, now), 'lease_until', 0)
  redis.call('ZADD', KEYS[4], now + ARGV[16], carrier)
end

local carrier = redis.call('HGET', KEYS[1], 'open')
local work = works .. (carrier or '')
if carrier then
  local held = redis.call('HMGET', work, 'state', 'cancel', 'inputs', 'tokens', 'bytes')
  if held[1] ~= 'gathering' or held[2] == '1' then
    carrier = nil
  elseif held[3] + inputs > most_inputs or held[4] + tokens > most_tokens or held[5] + bytes > most_bytes then
    fill(carrier, work)
    carrier = nil
  end
end
local at = tonumber(ARGV[14]) + ARGV[13]
if not carrier then
  -- Numbered by time: no number comes twice, not even once the pool's key has gone.
  local number = math.max(now, (tonumber(redis.call('HGET', KEYS[1], 'number') or '0')) + 1)
  local stem = string.gsub(pool, '_', '-') .. '-'
  repeat
    carrier = stem .. string.format('%.0f', number)
    work, number = works .. carrier, number + 1
  until redis.call('EXISTS', work) == 0
  redis.call('HSET', KEYS[1], 'open', carrier, 'number', string.format('%.0f', number - 1))
  enter(work, KEYS[3], 'shard', 'gathering')
  redis.call('HSET', work, 'token', 0, 'lease_until', 0, 'created_ms', now, 'job', pool)
  set_fields(work, now, 17)
  redis.call('ZADD', KEYS[4], at, carrier)
end
redis.call('PEXPIRE', KEYS[1], ARGV[15])
local number, key = redis.call('HINCRBY', work, 'joined', 1) - 1, ARGV[2] .. carrier
redis.call('HSET', key, number, ARGV[5])
redis.call('HSET', KEYS[2], rider, table.concat({carrier, number, rows, inputs, tokens, bytes}, ' '))
redis.call('HINCRBY', work, 'members', 1)
redis.call('HINCRBY', work, 'tokens', tokens)
redis.call('HINCRBY', work, 'bytes', bytes)
redis.call('HSET', work, 'segment', '[0,' .. redis.call('HINCRBY', work, 'rows', rows) .. ',0,0,[]]')
if redis.call('HINCRBY', work, 'inputs', inputs) >= most_inputs then
  fill(carrier, work)
elseif tonumber(redis.call('HGET', work, 'lease_until')) <= now then
  local due = tonumber(redis.call('ZSCORE', KEYS[4], carrier) or at)
  redis.call('ZADD', KEYS[4], math.min(due, at), carrier)
end
return carrier
