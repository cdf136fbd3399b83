-- Lets a key stand for a job or shard.  KEYS: idempotency key, or gate.
-- ARGV: its id, the id that may be replaced ('' = none).
-- Returns the id it stands for now.
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[2] then return held end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
