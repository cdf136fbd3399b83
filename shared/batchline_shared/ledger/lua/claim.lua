-- Lets a key stand for a job or shard.  KEYS: idempotency key, or gate.
-- ARGV: its id, the id that may be replaced ('' = none), seconds for which it stands ('' = until it is freed).
-- Returns the id it stands for now.
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[2] then return held end
redis.call('SET', KEYS[1], ARGV[1])
if ARGV[3] ~= '' then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return ARGV[1]
