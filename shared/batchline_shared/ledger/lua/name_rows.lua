-- Appends a chunk of custom ids to an adopted job, whose requests become known only as they are read.
-- KEYS: meta, index, identifiers.  ARGV: rows that the caller knows to be named, rows in this chunk, chunk.
-- Returns 1; 0 when others have named rows meanwhile, or the job has ended or is gone.
-- Safe to send twice: what is there already, as given, counts as written.
local record = redis.call('HMGET', KEYS[1], 'status', 'named', 'chunks')
local status = record[1]
if not status or status == 'completed' or status == 'failed' or status == 'cancelled' or status == 'expired' then
  return 0
end
local named, chunks = tonumber(record[2] or '0'), tonumber(record[3] or '0')
local known, count = tonumber(ARGV[1]), tonumber(ARGV[2])
if named == known + count and redis.call('HGET', KEYS[3], chunks - 1) == ARGV[3] then return 1 end
if named ~= known then return 0 end
redis.call('HSET', KEYS[2], chunks, known .. ',' .. count .. ',0,0,0,1')
redis.call('HSET', KEYS[3], chunks, ARGV[3])
redis.call('HSET', KEYS[1], 'named', known + count, 'chunks', chunks + 1)
return 1
