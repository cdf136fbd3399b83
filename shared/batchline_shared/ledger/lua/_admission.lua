-- Who may create a batch next, for one route (provider and account).
-- Every script of admission has the same keys: 1 records, 2 held, 3 turns, 4 state, 5 creations, 6 taught,
-- 7 seen; and the same ARGV[1]: what the keys of a model's queue and flows start with.
--
-- A record is 'model tokens requests finish share flow'. finish is its virtual time (self-clocked fair queueing):
-- share = tokens / weight later than the flow's last, or than the clock, which is the finish of the last that was
-- admitted. Within a model the lowest finish goes first, and nobody goes ahead of it because it would fit: so
-- neither a large shard is starved of room, nor a job by many that come after it. Models take turns for what
-- the route shares.
local ANY = '-'
local MOST = 64            -- admissions in one call: bounds how long the server is kept
local HOUR_MS = 3600000
local SEEN_MS = 600000     -- a client sends a command again within seconds

-- Numbers as text: the server's own conversion keeps 14 digits.
local function whole(n) return string.format('%.0f', n) end

local function state(field) return redis.call('HGET', KEYS[4], field) end

local function count(field) return tonumber(state(field) or '0') end

local function add(field, n)
  if redis.call('HINCRBY', KEYS[4], field, whole(n)) <= 0 then redis.call('HDEL', KEYS[4], field) end
end

local function waiting_of(model) return ARGV[1] .. 'waiting:' .. model end

local function flows_of(model) return ARGV[1] .. 'flows:' .. model end

-- False when this very call has been here before: its answer was lost, and the client sent it again.
local function first_time(event, now)
  redis.call('ZREMRANGEBYSCORE', KEYS[7], '-inf', whole(now - SEEN_MS))
  local first = redis.call('ZADD', KEYS[7], 'NX', whole(now), event) == 1
  redis.call('PEXPIRE', KEYS[7], SEEN_MS)
  return first
end

local function read(record)
  local model, tokens, requests, finish, share, flow =
    string.match(record, '^(%S+) (%d+) (%d+) (%d+) (%d+) (.*)$')
  return {
    model = model, tokens = tonumber(tokens), requests = tonumber(requests),
    finish = tonumber(finish), share = tonumber(share), flow = flow,
  }
end

-- The milliseconds for which nobody may go ahead, and why.
local function stopped(now)
  local paused, open = count('paused_until') - now, count('open_until') - now
  if paused > 0 and paused >= open then return paused, 'paused' end
  if open > 0 then return open, 'outage' end
  return 0, ''
end

-- A configured limit, or the lower one that a refusal has taught, until it is forgotten or configured anew.
local function limit(kind, model, configured, now)
  local taught = redis.call('HGET', KEYS[6], kind .. ' ' .. model)
  if not taught then return tonumber(configured) end
  local value, forget, was = string.match(taught, '^(%d+) (%d+) (%S+)$')
  if tonumber(forget) <= now or was ~= configured then
    redis.call('HDEL', KEYS[6], kind .. ' ' .. model)
    return tonumber(configured)
  end
  return math.min(tonumber(value), tonumber(configured) or math.huge)
end

-- The limits of a model and of the route, as the last asker had them.
local function limits_of(model, now)
  local tokens, requests = string.match(state('limits ' .. model) or '- -', '^(%S+) (%S+)$')
  local all, batches, creations = string.match(state('limits') or '- - -', '^(%S+) (%S+) (%S+)$')
  return {
    tokens = limit('tokens', model, tokens, now), requests = limit('requests', model, requests, now),
    all = tonumber(all), batches = tonumber(batches), creations = tonumber(creations),
  }
end

-- Whether it could not go even if nothing else were there.
local function too_large(limits, tokens, requests)
  return tokens > (limits.tokens or math.huge)
    or requests > math.min(limits.requests or math.huge, limits.all or math.huge)
end

local function enqueue(shard, model, finish)
  local key = waiting_of(model)
  redis.call('ZADD', key, whole(finish), shard)
  redis.call('ZADD', KEYS[3], 'NX', whole(count('turn')), model)
end

local function register(shard, model, tokens, requests, weight, flow)
  local key = flows_of(model)
  local share = math.max(1, math.ceil(tokens / weight))
  local finish = share + math.max(count('clock ' .. model), tonumber(redis.call('ZSCORE', key, flow) or '0'))
  redis.call('ZADD', key, whole(finish), flow)
  redis.call('HSET', KEYS[1], shard, table.concat(
    {model, whole(tokens), whole(requests), whole(finish), whole(share), flow}, ' '))
  enqueue(shard, model, finish)
end

-- Takes a shard out of its model's queue. Where that is empty, every flow is as good as new.
local function leave_queue(shard, one)
  local key = waiting_of(one.model)
  if redis.call('ZREM', key, shard) == 0 or redis.call('EXISTS', key) == 1 then return end
  redis.call('ZREM', KEYS[3], one.model)
  local key = flows_of(one.model)
  redis.call('DEL', key)
end

-- Forgets a shard that waits, as if it had never asked: what it is cut into must not pay twice.
local function withdraw(shard, one)
  local key = flows_of(one.model)
  local finish = redis.call('ZSCORE', key, one.flow)
  if finish then redis.call('ZADD', key, whole(math.max(0, tonumber(finish) - one.share)), one.flow) end
  leave_queue(shard, one)
  redis.call('HDEL', KEYS[1], shard)
end

local function take(shard, one, limits, now)
  local key = flows_of(one.model)
  if one.finish > count('clock ' .. one.model) then
    redis.call('HSET', KEYS[4], 'clock ' .. one.model, whole(one.finish))
    redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(one.finish))
  end
  -- A model that was held up has one turn ahead of the others, not all that it missed.
  local turn = math.max(tonumber(redis.call('ZSCORE', KEYS[3], one.model) or '0'), count('turn'))
  redis.call('HSET', KEYS[4], 'turn', whole(turn))
  redis.call('ZADD', KEYS[3], whole(turn + 1), one.model)
  leave_queue(shard, one)
  redis.call('ZADD', KEYS[2], whole(now), shard)
  add('tokens ' .. one.model, one.tokens)
  add('requests ' .. one.model, one.requests)
  add('requests', one.requests)
  if limits.creations then
    redis.call('ZADD', KEYS[5], whole(now), shard .. '@' .. whole(now))
    redis.call('PEXPIRE', KEYS[5], HOUR_MS)
  end
end

local function free(one)
  add('tokens ' .. one.model, -one.tokens)
  add('requests ' .. one.model, -one.requests)
  add('requests', -one.requests)
end

-- Why a model's next shard has to wait, for how long if that is known, and whether the whole route has to.
local function lacks(one, limits, now)
  if redis.call('ZCARD', KEYS[2]) >= (limits.batches or math.huge) then return 'batches', 0, true end
  if limits.creations and redis.call('ZCARD', KEYS[5]) >= limits.creations then
    local oldest = redis.call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')
    return 'creations', (oldest[2] or now) + HOUR_MS - now, true
  end
  if count('requests') + one.requests > (limits.all or math.huge) then return 'requests', 0, true end
  local refused = count('refused ' .. one.model) - now
  if refused > 0 then return 'refused', refused, false end
  if count('tokens ' .. one.model) + one.tokens > (limits.tokens or math.huge) then
    return 'tokens', 0, false
  end
  if count('requests ' .. one.model) + one.requests > (limits.requests or math.huge) then
    return 'requests', 0, false
  end
end

-- Admits the next shard of some model. Returns it; or nothing, after filling `held_up`.
local function admit_one(held_up, now)
  for _, model in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
    if not held_up[model] then
      local key = waiting_of(model)
      local shard = redis.call('ZRANGE', key, 0, 0)[1]
      local one, limits = read(redis.call('HGET', KEYS[1], shard)), limits_of(model, now)
      if too_large(limits, one.tokens, one.requests) then
        -- A limit was learned since it came. It hears so when it asks again, and is cut.
        withdraw(shard, one)
        return shard
      end
      local why, again_ms, all = lacks(one, limits, now)
      if not why then
        take(shard, one, limits, now)
        return shard
      end
      held_up[model] = {why, again_ms}
      if all then
        held_up[ANY] = held_up[model]
        return
      end
    end
  end
end

-- Admits from the heads of the queues while there is room.
-- Returns the shards to be woken, and model → {why it waits, for how many ms}; '-' stands for every model.
local function admit(now)
  local held_up, woken = {}, {}
  local stop_ms, why = stopped(now)
  if stop_ms > 0 then
    held_up[ANY] = {why, stop_ms}
    return woken, held_up
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', whole(now - HOUR_MS))
  while #woken < MOST do
    local shard = admit_one(held_up, now)
    if not shard then break end
    woken[#woken + 1] = shard
  end
  return woken, held_up
end
