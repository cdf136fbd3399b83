--! include _clock
--! include _work
-- Takes a rider out of its pool: out of its berth while the carrier gathers, else it is only no passenger any
-- more. A carrier that nobody waits for is to be cancelled.
-- KEYS: the pool's passengers, due sets of submit, poll.
-- ARGV: prefix of work records, prefix of berths, rider, carrier ('' = whichever it is in), token of the carrier's
--       lease ('' = the rider leaves by itself).
-- Returns -1 when that lease is lost: whoever holds it now may already count on the rider.
local wanted, token = ARGV[4], ARGV[5]
if token ~= '' and not holds(ARGV[1] .. wanted, token) then return -1 end
local place = redis.call('HGET', KEYS[1], ARGV[3])
if not place then return 0 end
local carrier, number, rows, inputs, tokens, bytes = string.match(place, '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
if wanted ~= '' and wanted ~= carrier then return 0 end
redis.call('HDEL', KEYS[1], ARGV[3])
local work = ARGV[1] .. carrier
local state = redis.call('HGET', work, 'state')
if not state or state == 'done' then return 1 end
if state == 'gathering' then
  redis.call('HDEL', ARGV[2] .. carrier, number)
  -- Not -inputs: see close_job.lua.
  redis.call('HINCRBY', work, 'inputs', 0 - inputs)
  redis.call('HINCRBY', work, 'tokens', 0 - tokens)
  redis.call('HINCRBY', work, 'bytes', 0 - bytes)
  redis.call('HSET', work, 'segment', '[0,' .. redis.call('HINCRBY', work, 'rows', 0 - rows) .. ',0,0,[]]')
end
if redis.call('HINCRBY', work, 'members', -1) > 0 then return 1 end
redis.call('HSET', work, 'cancel', 1)
local stages = {gathering = KEYS[2], pending = KEYS[2], uploaded = KEYS[2], submitted = KEYS[3]}
local now, due = now_ms(), stages[state]
if due and tonumber(redis.call('HGET', work, 'lease_until') or '0') <= now then
  redis.call('ZADD', due, now, carrier)
end
return 1
