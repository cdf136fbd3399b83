--! include _clock
--! include _work
-- Notes what was decided of a shard in doubt, and has a worker carry it out. Whoever carries an earlier
-- decision out loses its lease.
-- KEYS: shard's work, due set of submission.  ARGV: shard, decision, ',state,state,' in which it may be decided.
-- Returns 1; 2 when this is what was decided before, and carried out; 0 when the shard is in no such state.
local state = redis.call('HGET', KEYS[1], 'state') or ''
if not string.find(ARGV[3], ',' .. state .. ',', 1, true) then
  return redis.call('HGET', KEYS[1], 'decided') == ARGV[2] and 2 or 0
end
local now = now_ms()
redis.call('HSET', KEYS[1], 'decision', ARGV[2], 'decided', ARGV[2], 'idle_polls', 0)
redis.call('HSET', KEYS[1], 'token', next_token(KEYS[1], now), 'lease_until', 0)
redis.call('ZADD', KEYS[2], now, ARGV[1])
return 1
