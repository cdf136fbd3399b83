--! include _clock
--! include _work
--! include _close
-- Ends a carrier whose riders have all ended. It stays for a while, so that an audit can pair batches with shards.
-- KEYS: carrier's work, tally, due set it is in, due set of cleaning up, its berths.
-- ARGV: carrier, token, life in ms, delay until cleaning up in ms ('' = never), field, value, ...
if not holds(KEYS[1], ARGV[2]) then return 0 end
local now = now_ms()
close(ARGV[1], KEYS[1], KEYS[2], KEYS[3], now)
set_fields(KEYS[1], now, 5)
local left = redis.call('HMGET', KEYS[1], 'file_id', 'batch_id', 'left_files')
if ARGV[4] ~= '' and (left[1] or '') .. (left[2] or '') .. (left[3] or '') ~= '' then
  redis.call('ZADD', KEYS[4], now + ARGV[4], ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[5], ARGV[3])
return 1
