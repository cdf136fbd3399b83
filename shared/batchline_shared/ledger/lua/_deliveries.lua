-- Every delivery that a job's ends have made, by its member: an end is told by task, by webhook, or by both.
local function deliveries_of(job, work)
  local members = {}
  for number = 1, tonumber(redis.call('HGET', work, 'ends') or '0') do
    for _, kind in ipairs({'task', 'webhook'}) do members[#members + 1] = job .. '-' .. kind .. '-' .. number end
  end
  return members
end
