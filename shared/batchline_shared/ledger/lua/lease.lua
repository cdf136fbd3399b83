--! include _clock
--! include _work
-- KEYS: due set of one stage.  ARGV: prefix of work records, limit, lease in ms.
-- Returns {now, {member, record, ...}}. A record that is gone leaves the set.
local now = now_ms()
local leased = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local work = ARGV[1] .. member
  if redis.call('EXISTS', work) == 0 then
    redis.call('ZREM', KEYS[1], member)
  else
    redis.call('HSET', work, 'token', next_token(work, now), 'lease_until', now + ARGV[3])
    redis.call('ZADD', KEYS[1], now + ARGV[3], member)
    leased[#leased + 1] = member
    leased[#leased + 1] = redis.call('HGETALL', work)
  end
end
return {now, leased}
