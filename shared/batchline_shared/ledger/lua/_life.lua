-- The life of the server: another one after each restart and each failover. Either may have lost what was written
-- last, so nobody may count any more on what he wrote before. Empty where the server does not tell.
local function life()
  local told = redis.pcall('INFO', 'server')
  return type(told) == 'string' and string.match(told, 'run_id:(%w%w%w%w%w%w%w%w%w%w%w%w)') or ''
end
