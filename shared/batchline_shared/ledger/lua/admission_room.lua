--! include _clock
--! include _admission
-- Shows what a route holds and may hold; changes nothing but to forget what is out of date.
-- KEYS, ARGV[1]: see _admission.
-- Returns {requests, limit, batches, limit, creations, limit, ms paused, ms stopped, failures in a row,
-- {model, tokens, limit, requests, limit, waiting, ms refused, factor}, ...}, '-' for no limit.
local now = now_ms()
local function text(n) return n and whole(n) or ANY end
local all = limits_of('', now)
local reply = {
  text(count('requests')), text(all.all), text(redis.call('ZCARD', KEYS[2])), text(all.batches),
  text(redis.call('ZCOUNT', KEYS[5], whole(now - HOUR_MS + 1), '+inf')), text(all.creations),
  text(math.max(0, count('paused_until') - now)), text(math.max(0, count('open_until') - now)),
  text(count('failures')),
}
for _, field in ipairs(redis.call('HKEYS', KEYS[4])) do
  local model = string.match(field, '^limits (%S+)$')
  if model then
    local limits, key = limits_of(model, now), waiting_of(model)
    reply[#reply + 1] = {
      model, text(count('tokens ' .. model)), text(limits.tokens), text(count('requests ' .. model)),
      text(limits.requests), text(redis.call('ZCARD', key)),
      text(math.max(0, count('refused ' .. model) - now)),
      redis.call('HGET', KEYS[6], 'factor ' .. model) or '1',
    }
  end
end
return reply
