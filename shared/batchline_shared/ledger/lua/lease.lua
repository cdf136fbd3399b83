--! include _clock
--! include _work
-- KEYS: due set of one stage.  ARGV: prefix of work records, limit, lease in ms, how many the caller has already.
-- Returns {now, {member, record, ...}}. A member without a record leaves the set; a record that is no hash comes
-- as an empty one.
--
-- A lease that ran out without being given back is a crash of its member: its holder died, or never came to an
-- end. One of an earlier life of the server is none: it may not have been let go. Crashes count as long as no lease
-- in between was given back, or only put off. A member that has one is leased alone, so that others of the same
-- call are not counted with it.
local now = now_ms()
local alive -- not asked while nothing is due, as most of the time
local leased = {}

local function number(work, field) return tonumber(redis.call('HGET', work, field) or '') or 0 end

for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])) do
  alive = alive or life()
  local work = ARGV[1] .. member
  local kind = redis.call('TYPE', work).ok
  if kind == 'none' then
    redis.call('ZREM', KEYS[1], member)
  elseif kind ~= 'hash' then
    redis.call('ZADD', KEYS[1], now + ARGV[3], member)
    leased[#leased + 1], leased[#leased + 2] = member, {}
  else
    local ran_out = number(work, 'lease_until') > 0 and redis.call('HGET', work, 'life') == alive
    local crashes = 0
    if ran_out or redis.call('HEXISTS', work, 'suspect') == 1 then
      crashes = number(work, 'crashes') + (ran_out and 1 or 0)
    end
    if crashes == 0 or (#leased == 0 and ARGV[4] == '0') then
      redis.call('HDEL', work, 'suspect', 'quarantine')
      if crashes > 0 then redis.call('HSET', work, 'crashes', crashes) else redis.call('HDEL', work, 'crashes') end
      redis.call('HSET', work, 'token', next_token(work, now), 'lease_until', now + ARGV[3], 'life', alive)
      redis.call('ZADD', KEYS[1], now + ARGV[3], member)
      leased[#leased + 1], leased[#leased + 2] = member, redis.call('HGETALL', work)
      if crashes > 0 then break end
    end
  end
end
return {now, leased}
