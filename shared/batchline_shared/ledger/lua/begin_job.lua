--! include _clock
-- Opens a job's record while its requests stream in; it goes by itself if its client dies.
-- KEYS: meta.  ARGV: TTL in ms, field, value, ...  Returns the server's time, or 0 when the id is taken.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local now = now_ms()
redis.call('HSET', KEYS[1], 'status', 'staging', 'created_ms', now, 'landed', 0, 'succeeded', 0, 'errored', 0)
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return now
