--! include _clock
--! include _work
-- Writes what a lease holder found out, and says when to look again.
-- KEYS: work record, tally, due set it is in, due set it goes to.
-- ARGV: member, token, kind, state, delay in ms ('' = no more), keep lease (0/1),
--       whether the holder knows of a cancel (0/1), field, value, ...
-- Returns {1, now, cancel} or {0} when the lease is lost.
if not holds(KEYS[1], ARGV[2]) then return {0} end
local now = now_ms()
enter(KEYS[1], KEYS[2], ARGV[3], ARGV[4])
set_fields(KEYS[1], now, 8)
local cancel = redis.call('HGET', KEYS[1], 'cancel') == '1' and 1 or 0
if ARGV[6] == '1' then return {1, now, cancel} end
-- The token goes with the lease: a renewal that is under way must not bring it back.
redis.call('HSET', KEYS[1], 'token', next_token(KEYS[1], now), 'lease_until', 0)
redis.call('ZREM', KEYS[3], ARGV[1])
if ARGV[5] ~= '' then
  local delay = tonumber(ARGV[5])
  -- A cancel that came while we worked must not wait for the next poll; a
  -- creation of unknown outcome must, for its quiet period. One that the holder
  -- knew of is in its delay: a provider that cannot cancel is not asked in a loop.
  if cancel == 1 and ARGV[7] == '0' and ARGV[4] ~= 'submitting' then delay = 0 end
  -- Nor must what woke it under this very lease, see wake.lua.
  local woken = redis.call('HGET', KEYS[1], 'woken') == ARGV[2]
  local wakes = {pending = true, uploaded = true, pooled = true, submitted = true, plan = true}
  if woken and wakes[ARGV[4]] then delay = 0 end
  redis.call('ZADD', KEYS[4], now + delay, ARGV[1])
end
return {1, now, cancel}
