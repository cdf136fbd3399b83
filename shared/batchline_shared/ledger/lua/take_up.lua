--! include _clock
--! include _work
-- Has a member that was set aside worked on again, or given up: its crashes are forgotten. One that a cancel, a
-- person or an audit has moved on since is only set aside no more: in the stage that it was in, what another one
-- works on would be sent once more. A batch that was found for it stays noted.
-- KEYS: due set, what is set aside, work record.  ARGV: member, field, decision ('' = none).
-- Returns 1, or 0 when it is not set aside, or has gone on.
if redis.call('HDEL', KEYS[2], ARGV[2]) == 0 then return 0 end
local now = now_ms()
if redis.call('TYPE', KEYS[3]).ok == 'hash' then
  redis.call('HDEL', KEYS[3], 'quarantine')
  local home = {pooled = 'submit', gathering = 'submit', pending = 'submit', uploaded = 'submit',
    submitting = 'submit', in_doubt = 'submit', submitted = 'poll', collecting = 'collect', live = 'live',
    done = 'clean', plan = 'plan', settle = 'settle', wait = '', closed = ''}
  local stage, aside = home[redis.call('HGET', KEYS[3], 'state') or ''], string.match(ARGV[2], '^%S+')
  if stage and aside ~= 'notify' and stage ~= aside then return 0 end
  redis.call('HDEL', KEYS[3], 'crashes', 'suspect')
  redis.call('HSET', KEYS[3], 'token', next_token(KEYS[3], now), 'lease_until', 0)
  local decision = redis.call('HGET', KEYS[3], 'decision') or ''
  local found = string.match(decision, 'batch .*$')
  if ARGV[3] ~= '' then
    redis.call('HSET', KEYS[3], 'decision', ARGV[3] .. (found and ' ' .. found or ''))
  elseif string.match(decision, '^give_up') then
    redis.call('HSET', KEYS[3], 'decision', found or '')
  end
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
return 1
