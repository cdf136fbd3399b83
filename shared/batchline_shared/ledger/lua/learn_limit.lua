--! include _clock
--! include _admission
-- Minds what a provider's refusal says, and sends the refused shard back to its place in the queue.
-- KEYS, ARGV[1]: see _admission.  ARGV: shard ('' = none), model, this call's own mark, limit of tokens,
--       limit of requests ('' = not told), milliseconds until they are forgotten, milliseconds for which
--       the model waits unless a batch of it ends, seconds for which anything taught is kept.
-- Returns the shards to be woken.
local PREFIX, shard, model = ARGV[1], ARGV[2], ARGV[3]
local now = now_ms()
if not first_time(ARGV[4], now) then return {} end
local tokens, requests = string.match(state('limits ' .. model) or '- -', '^(%S+) (%S+)$')
for kind, taught in pairs({tokens = {ARGV[5], tokens}, requests = {ARGV[6], requests}}) do
  if taught[1] ~= '' then
    redis.call('HSET', KEYS[6], kind .. ' ' .. model, taught[1] .. ' ' .. whole(now + ARGV[7]) .. ' ' .. taught[2])
    redis.call('EXPIRE', KEYS[6], ARGV[9])
  end
end
if shard ~= '' and redis.call('ZREM', KEYS[2], shard) == 1 then
  local one = read(redis.call('HGET', KEYS[1], shard))
  free(one)
  enqueue(shard, one.model, one.finish)
  -- One that the limit explains is cut, and its parts need not wait for anything to end.
  if not too_large(limits_of(one.model, now), one.tokens, one.requests) then
    redis.call('HSET', KEYS[4], 'refused ' .. one.model, whole(now + ARGV[8]))
  end
end
return (admit(now))
