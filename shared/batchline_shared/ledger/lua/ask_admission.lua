--! include _clock
--! include _admission
-- Puts a shard in the queue, unless it is there, and admits whoever is next.
-- KEYS, ARGV[1]: see _admission.  ARGV: shard, model, tokens as estimated, requests, weight, flow,
--       limits (tokens and requests of the model; requests, batches, creations of the route; '-' = none),
--       milliseconds for which one shard tries out a route after an outage.
-- Returns {'admitted', woken, ...}, {'wait', position, why, ms, woken, ...} or
-- {'too large', tokens as estimated or '-', requests or '-'}.
local PREFIX, shard, model = ARGV[1], ARGV[2], ARGV[3]
local now = now_ms()

local function answer(...)
  local reply = {...}
  local woken = table.remove(reply)
  for _, other in ipairs(woken) do
    if other ~= shard then reply[#reply + 1] = other end
  end
  return reply
end

-- Once it is admitted: after an outage, one at a time tries whether the provider is back.
local function let_through(woken)
  local stop_ms, why = stopped(now)
  if stop_ms > 0 then return answer('wait', 0, why, whole(stop_ms), woken) end
  if redis.call('HEXISTS', KEYS[4], 'open_until') == 0 or state('probe') == shard then
    return answer('admitted', woken)
  end
  local trying_ms = count('probe_until') - now
  if trying_ms > 0 then return answer('wait', 0, 'outage', whole(trying_ms), woken) end
  redis.call('HSET', KEYS[4], 'probe', shard, 'probe_until', whole(now + ARGV[13]))
  return answer('admitted', woken)
end

if redis.call('ZSCORE', KEYS[2], shard) then return let_through({}) end
redis.call('HSET', KEYS[4], 'limits ' .. model, ARGV[8] .. ' ' .. ARGV[9],
  'limits', ARGV[10] .. ' ' .. ARGV[11] .. ' ' .. ARGV[12])
local limits, record = limits_of(model, now), redis.call('HGET', KEYS[1], shard)
local one = record and read(record)
if one and too_large(limits, one.tokens, one.requests) then
  withdraw(shard, one)
  one = nil
end
if not one then
  local factor = tonumber(redis.call('HGET', KEYS[6], 'factor ' .. model) or '1')
  local tokens, requests = math.max(1, math.ceil(ARGV[4] * factor)), tonumber(ARGV[5])
  if too_large(limits, tokens, requests) then
    local most = math.min(limits.requests or math.huge, limits.all or math.huge)
    return {
      'too large',
      limits.tokens and whole(math.floor(limits.tokens / factor)) or ANY,
      most < math.huge and whole(most) or ANY,
    }
  end
  register(shard, model, tokens, requests, tonumber(ARGV[6]), ARGV[7])
end
local woken, held_up = admit(now)
if redis.call('ZSCORE', KEYS[2], shard) then return let_through(woken) end
local key = waiting_of(model)
local position = redis.call('ZRANK', key, shard)
local why = held_up[model] or held_up[ANY] or {'turn', 0}
return answer('wait', position or 0, why[1], whole(why[2]), woken)
