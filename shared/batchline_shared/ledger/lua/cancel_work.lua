--! include _clock
-- Marks a job and all its open shards as to be cancelled, and makes what nobody works on due now.
-- KEYS: job's work, the job's shards, due sets of plan, submit, poll.  ARGV: job id, prefix of work records.
-- Returns how many records were marked.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local now = now_ms()
local stages = {pooled = KEYS[4], pending = KEYS[4], uploaded = KEYS[4], submitted = KEYS[5]}
local function mark(work, member, due)
  redis.call('HSET', work, 'cancel', 1)
  if due and tonumber(redis.call('HGET', work, 'lease_until') or '0') <= now then
    redis.call('ZADD', due, now, member)
  end
end
local marked = 0
for _, shard in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local work = ARGV[2] .. shard
  -- A record that cannot be read is set aside for a person; it must not keep the others going.
  local state = redis.call('TYPE', work).ok == 'hash' and redis.call('HGET', work, 'state')
  if state and state ~= 'done' then
    mark(work, shard, stages[state])
    marked = marked + 1
  end
end
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'closed' then
  mark(KEYS[1], ARGV[1], state == 'plan' and KEYS[3] or nil)
  marked = marked + 1
end
return marked
