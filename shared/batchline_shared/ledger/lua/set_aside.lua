--! include _clock
--! include _work
-- Takes a member out of a due set whose handling has no end, and notes why, for a person.
-- KEYS: due set, what is set aside, work record.
-- ARGV: member, field, reason, token ('' = its record cannot be read, and is left alone).
-- Returns 1, or 0 when the lease is lost.
local now = now_ms()
if ARGV[4] ~= '' then
  if not holds(KEYS[3], ARGV[4]) then return 0 end
  redis.call('HSET', KEYS[3], 'quarantine', ARGV[3], 'token', next_token(KEYS[3], now), 'lease_until', 0)
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[2], string.format('%.0f', now) .. ' ' .. ARGV[3])
return 1
