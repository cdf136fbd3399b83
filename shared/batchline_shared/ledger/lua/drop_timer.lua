--! include _work
-- Forgets a timer that has been seen to, for sure.  KEYS: its record, due set of deadlines.  ARGV: member, token.
-- Returns 1, or 0 when the lease is lost.
if not holds_since(KEYS[1], ARGV[2]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
