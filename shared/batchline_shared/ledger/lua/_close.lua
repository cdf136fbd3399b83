-- Ends a shard; the last open one of its job makes the job due for settling.
local function close(shard, work, tally, due, now)
  enter(work, tally, 'shard', 'done')
  redis.call('HSET', work, 'token', next_token(work, now), 'lease_until', 0, 'closed_ms', now)
  redis.call('ZREM', due, shard)
end

local function count_closed(job, work, tally, due, now)
  -- The job's work may be gone: then there is nothing to settle, and counting would bring half of it back.
  if redis.call('EXISTS', work) == 0 then return end
  if redis.call('HINCRBY', work, 'open', -1) <= 0 and redis.call('HGET', work, 'state') == 'wait' then
    enter(work, tally, 'job', 'settle')
    redis.call('ZADD', due, now, job)
  end
end
