-- The first result that counts: `first` gives it as soon as it comes home, and ends all other calls.

local parallel = require "parallel"

-- 1. Which of many answers is right? A number is known by its remainders alone; each call looks through a part of
--    all numbers, and nobody goes on once it is found.

local part = 20000

--- The number in part i that leaves these remainders, if it is there.
local function search(i)
  for n = (i - 1) * part + 1, i * part do
    if n % 97 == 56 and n % 101 == 45 and n % 103 == 82 then
      return n
    end
  end
end

local number, where = parallel.first(search, parallel.range(1, 60))
print(("%d, in part %d"):format(number, where))

-- 2. Who answers first? Calls that wait for something slow are ended as well: this takes a moment, not an hour.

local function ask(server)
  parallel.sleep(server.seconds)
  return server.name .. " answers"
end

local servers = {{name = "near", seconds = 0.02}, {name = "far", seconds = 3600}, {name = "down", seconds = 7200}}
print((parallel.first(ask, servers, {workers = #servers})))

-- 3. Where no call gives a value that is true, there is none.

print(parallel.first(function(x) return x > 10 end, {1, 2, 3}) == nil)

-- 4. Single calls need no pool either.

local future = parallel.submit(math.max, 3, 9, 4)
print(future:get())
