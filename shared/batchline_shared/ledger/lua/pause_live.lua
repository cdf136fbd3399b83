--! include _clock
-- Grants an account no live call for a while; the longer of two pauses counts.
-- KEYS: the account's live calls.  ARGV: milliseconds.
local now = now_ms()
local next_ms = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now + ARGV[1])
redis.call('SET', KEYS[1], string.format('%.3f', next_ms), 'PX', math.ceil(next_ms - now) + 60000)
