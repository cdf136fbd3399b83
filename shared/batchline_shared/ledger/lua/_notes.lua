-- Appends notes to the conversations of rows: `count` pairs of a block of rows and a part of it, from
-- ARGV[first] on. A block's own field counts its parts.
local function append_notes(key, first, count)
  for i = first, first + 2 * count - 2, 2 do
    local part = redis.call('HINCRBY', key, ARGV[i], 1) - 1
    redis.call('HSET', key, ARGV[i] .. ':' .. part, ARGV[i + 1])
  end
end
