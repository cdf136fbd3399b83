--! include _clock
--! include _life
-- From here on the job is real.  KEYS: all keys of the job.
-- ARGV: chunks, chunks of custom ids, duplicates and lists of copies that were written, when it is too late in ms,
--       field, value, ...
-- Returns 1; 0 when it was committed before; -1 when its record has expired or was wiped; -2 when a part is lost;
-- -3 when the server has another life than when the job was begun, and may have lost what is not in these keys, or
-- when it is too late: the client may have given up.
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return -1 end
if status ~= 'staging' then
  -- Sent twice, as the first answer was lost. Written again, as the server waits for the disk only with what came
  -- over the same connection.
  redis.call('HSET', KEYS[1], 'status', status)
  return 0
end
local input, index, identifiers, copies = KEYS[2], KEYS[3], KEYS[4], KEYS[12]
local function lacks(key, count) return redis.call('HLEN', key) < tonumber(count) end
if lacks(input, ARGV[1]) or lacks(index, ARGV[1]) or lacks(identifiers, ARGV[2]) or lacks(copies, ARGV[4])
  or redis.call('BITCOUNT', KEYS[11]) < tonumber(ARGV[3]) then return -2 end
if redis.call('HGET', KEYS[1], 'life') ~= life() or now_ms() > tonumber(ARGV[5]) then return -3 end
redis.call('HSET', KEYS[1], 'status', 'queued')
for i = 6, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
for _, key in ipairs(KEYS) do redis.call('PERSIST', key) end
return 1
