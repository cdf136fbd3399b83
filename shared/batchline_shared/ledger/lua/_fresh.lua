-- Splits a list of row numbers into all of them and the positions of those that `taken` does not know; a
-- provider's file may name a row twice, and only the first counts.
local function fresh_rows(list, taken)
  local rows, fresh, met = {}, {}, {}
  for row in string.gmatch(list, '%d+') do
    rows[#rows + 1] = row
    if not met[row] and not taken(row) then fresh[#fresh + 1] = #rows - 1 end
    met[row] = true
  end
  return rows, fresh
end
