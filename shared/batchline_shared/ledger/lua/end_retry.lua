--! include _life
-- Lets planning go on once a retry has taken back what it wants.  KEYS: meta, ready.  ARGV: who retries.
-- Returns how many rows are to be sent again; -1 when the server has another life than when the retry was begun,
-- and may have lost some of it, or all.
local begun = redis.call('HMGET', KEYS[1], 'retrier', 'life')
if begun[1] ~= ARGV[1] or begun[2] ~= life() then return -1 end
redis.call('HDEL', KEYS[1], 'retrying')
return redis.call('BITCOUNT', KEYS[2])
