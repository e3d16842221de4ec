-- Small functions as scripts map them: a list of {name, function, items}. `leaves` says of a function that it does
-- leave a trace, so that nothing may be proved of it.
local idioms = {}

local function add(name, f, items, leaves)
  idioms[#idioms + 1] = {name = name, f = f, items = items, leaves = leaves}
end

-- What they capture.
local people, matrix, prices = {}, {}, {apple = 3, pear = 5, plum = 2}
for i = 1, 300 do
  people[i] = {name = "person " .. i, age = i * 7 % 90, city = i % 5, friends = {i % 300 + 1, i * 3 % 300 + 1}}
end
for i = 1, 30 do
  matrix[i] = {}
  for j = 1, 30 do matrix[i][j] = (i * j) % 11 end
end
local settings = {scale = 2, offset = 3, limits = {low = 0, high = 50}}
local stops = {the = true, a = true, of = true}
local few, many = {1, 2, 3, 5, 8}, {}
for i = 1, 500 do many[i] = i * 7919 % 1009 end
local texts = {"the cat of a king", "a,b;c", "2026-11-28", "  padded ", "x=1&y=2"}

-- Numbers.
add("a polynomial", function(x) return ((x + 1) * x - 3) * x + 7 end, few)
add("an affine function of settings", function(x) return settings.scale * x + settings.offset end, few)
add("clamping", function(x) return math.min(math.max(x, settings.limits.low), settings.limits.high) end, {-5, 10, 99})
add("the sum of digits", function(n) local s = 0 while n > 0 do s, n = s + n % 10, n // 10 end return s end, {0, 1234})
add("bits", function(n) local c = 0 while n ~= 0 do n = n & (n - 1) c = c + 1 end return c | 0x10 ~ 3 << 1 end, few)
add("the factorial, by itself", (function()
  local function factorial(n) return n < 2 and 1 or n * factorial(n - 1) end
  return factorial
end)(), few)
add("a root by Newton", function(a)
  local x = a
  for _ = 1, 20 do x = (x + a / x) / 2 end
  return x
end, few)
add("a sieve", function(n)
  local composite, primes = {}, {}
  for i = 2, n * 10 do
    if not composite[i] then
      primes[#primes + 1] = i
      for j = i * i, n * 10, i do composite[j] = true end
    end
  end
  return primes
end, few)
add("the mean and deviation of a list", function(list)
  local sum, squares = 0, 0
  for _, v in ipairs(list) do sum = sum + v end
  for i = 1, #list do squares = squares + (list[i] - sum / #list) ^ 2 end
  return {sum / #list, math.sqrt(squares / #list)}
end, {{1, 2, 3}, {4, 4}})
add("dice", function(n)
  local sixes = 0
  for _ = 1, n * 20 do if math.random(6) == 6 then sixes = sixes + 1 end end
  return sixes
end, few)
add("a normal number by Box and Muller", function()
  return math.sqrt(-2 * math.log(1 - math.random())) * math.cos(2 * math.pi * math.random())
end, few)
add("a seed of its own", function(n) math.randomseed(n) return math.random(1000) end, few)
add("the median of a sample", function(n)
  local sample = {}
  for i = 1, n do sample[i] = many[math.random(#many)] end
  table.sort(sample)
  return sample[(n + 1) // 2]
end, few)
add("a row of a product of matrices", function(i)
  local row = {}
  for j = 1, #matrix do
    local s = 0
    for k = 1, #matrix do s = s + matrix[i][k] * matrix[k][j] end
    row[j] = s
  end
  return row
end, few)
add("steps of Euclid", function(n)
  local a, b, c = n, 12, 0
  while b ~= 0 do a, b, c = b, a % b, c + 1 end
  return c
end, few)
add("an integral", function(n)
  local function f(x) return math.exp(-x ^ 2) end
  local sum = 0
  for i = 0, n - 1 do sum = sum + f((i + .5) / n) / n end
  return sum
end, few)

-- Captured records.
add("a field", function(i) return people[i].age end, few)
add("the name of a friend of a friend", function(i)
  return people[people[people[i].friends[1]].friends[2]].name
end, few)
add("a count of those who fit", function(city)
  local n = 0
  for _, p in ipairs(people) do if p.city == city and p.age > 30 then n = n + 1 end end
  return n
end, {0, 1, 7})
add("groups", function(n)
  local by = {}
  for i = 1, n * 10 do
    local group = by[people[i].city] or {}
    by[people[i].city] = group
    group[#group + 1] = people[i].name
  end
  return by
end, few)
add("the oldest of some", function(n)
  local some = {}
  for i = 1, n * 10 do some[i] = people[i] end
  table.sort(some, function(a, b) return a.age > b.age end)
  return some[1].name .. " " .. some[#some].age
end, few)
add("a price", function(name) return prices[name] or 0 end, {"apple", "fig"})
add("a total in order of keys", function()
  local keys, all = {}, {}
  for key in pairs(prices) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do all[i] = ("%s=%d"):format(key, prices[key]) end
  return table.concat(all, ", ")
end, few)
add("a copy of a record with changes", function(i)
  local copy = {}
  for key, value in pairs(people[i]) do copy[key] = value end
  copy.age = copy.age + 1
  return copy
end, few)
add("a breadth-first search", function(start)
  local distance, queue, head = {[start] = 0}, {start}, 1
  while head <= #queue do
    local at = queue[head]
    head = head + 1
    for _, next_one in ipairs(people[at].friends) do
      if not distance[next_one] and distance[at] < 4 then
        distance[next_one] = distance[at] + 1
        queue[#queue + 1] = next_one
      end
    end
  end
  return #queue
end, few)

-- Text.
add("words without stops", function(text)
  local words = {}
  for word in text:gmatch "%a+" do if not stops[word] then words[#words + 1] = word end end
  return words
end, texts)
add("trimming", function(text) return text:match "^%s*(.-)%s*$" end, texts)
add("fields", function(text)
  local t = {}
  for f in (text .. ","):gmatch "(.-)[,;]" do t[#t + 1] = f end
  return t
end, texts)
add("a date", function(text)
  local y, m, d = text:match "(%d+)-(%d+)-(%d+)"
  return y and os.time {year = tonumber(y), month = tonumber(m), day = tonumber(d), hour = 12} or false
end, texts)
add("letters counted", function(text)
  local n = {}
  for i = 1, #text do local c = text:sub(i, i) n[c] = (n[c] or 0) + 1 end
  return n
end, texts)
add("capitals by a function", function(text) return (text:gsub("%f[%a]%a", string.upper)) end, texts)
add("a template", function(text) return ("%-20s|%5.1f|%s"):format(text, #text / 3, text:upper()) end, texts)
add("names for numbers", function(text) return (text:gsub("%w+", {a = "1", cat = "2"})) end, texts)
add("a palindrome", function(text) return text:reverse() == text end, texts)
add("a checksum", function(text)
  local h = 5381
  for i = 1, #text do h = (h * 33 + text:byte(i)) & 0xFFFFFFFF end
  return h
end, texts)
add("sums of text", function(n) return tostring(n) + 1 .. "" end, few)
add("packed bytes", function(n)
  return string.unpack("<i4", string.pack("<i4", n)) + utf8.len(utf8.char(n + 200))
end, few)
add("parsing a query", function(text)
  local t = {}
  for key, value in text:gmatch "(%w+)=(%w+)" do t[key] = value end
  return t
end, texts)
add("writing out a value", (function()
  local function write(v, depth)
    if type(v) ~= "table" then return tostring(v) end
    local parts = {}
    for i, x in ipairs(v) do parts[i] = write(x, depth + 1) end
    return ("{%s}@%d"):format(table.concat(parts, " "), depth)
  end
  return function(v) return write(v, 0) end
end)(), {{1, {2, {3}}}, {}})

-- Objects, closures, coroutines, errors.
local Stack = {}
Stack.__index = Stack
function Stack.new() return setmetatable({n = 0}, Stack) end
function Stack:push(v) self.n = self.n + 1 self[self.n] = v return self end
function Stack:pop() local v = self[self.n] self[self.n], self.n = nil, self.n - 1 return v end
Stack.__len = function(s) return s.n end
add("a stack", function(n)
  local s = Stack.new()
  for i = 1, n do s:push(i * i) end
  return s:pop() + #s
end, few)
local Complex = {}
Complex.__index = Complex
local function complex(re, im) return setmetatable({re = re, im = im}, Complex) end
Complex.__add = function(a, b) return complex(a.re + b.re, a.im + b.im) end
Complex.__mul = function(a, b) return complex(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re) end
Complex.__eq = function(a, b) return a.re == b.re and a.im == b.im end
Complex.__tostring = function(c) return c.re .. "+" .. c.im .. "i" end
add("complex numbers", function(n)
  local z, c = complex(0, 0), complex(n / 10, .5)
  for _ = 1, 5 do z = z * z + c end
  return {tostring(z), z == c}
end, few)
local Shape = {area = function() return 0 end}
Shape.__index = Shape
local Square = setmetatable({}, Shape)
Square.__index = Square
function Square:area() return self.side ^ 2 end
add("classes that inherit", function(n)
  local sum = 0
  for i, class in ipairs {Square, Shape} do sum = sum + setmetatable({side = n + i}, class):area() end
  return sum
end, few)
add("defaults by a metatable of the call", function(n)
  local counts = setmetatable({}, {__index = function() return 0 end})
  for i = 1, n * 3 do counts[i % 3] = counts[i % 3] + 1 end
  return counts[0]
end, few)
add("functions made and put together", function(n)
  local function compose(f, g) return function(x) return f(g(x)) end end
  local function adds(k) return function(x) return x + k end end
  return compose(adds(1), compose(adds(n), math.abs))(-n)
end, few)
add("a counter in a closure", function(n)
  local count = 0
  local function up(by) count = count + by return count end
  for i = 1, n do up(i) end
  return up(0)
end, few)
add("a memo of the call", function(n)
  local memo = {}
  local function fib(k)
    if k < 2 then return k end
    memo[k] = memo[k] or fib(k - 1) + fib(k - 2)
    return memo[k]
  end
  return fib(n * 4)
end, few)
add("operators by name", (function()
  local operators = {add = function(a, b) return a + b end, mul = function(a, b) return a * b end}
  return function(n) return operators[n % 2 == 0 and "add" or "mul"](n, 3) end
end)(), few)
add("a generator", function(n)
  local sum = 0
  for a, b in coroutine.wrap(function() for i = 1, n do coroutine.yield(i, i * i) end end) do sum = sum + a * b end
  return sum
end, few)
add("a guard", function(v)
  local ok, result = pcall(function() return v.x.y end)
  return ok and result or "none"
end, {{x = {y = 1}}, {}, {x = 3}})
add("any number of arguments", function(...)
  local t = table.pack(...)
  return select("#", ...) + t.n + #table.concat({...}, "-")
end, few)
add("goto", function(n)
  local found
  for i = 1, n do
    for j = 1, n do
      if i * j > n then found = i * 100 + j goto done end
    end
  end
  ::done::
  return found or 0
end, few)
add("a list moved and unpacked", function(n)
  return {table.unpack(table.move({n, n + 1}, 1, 2, 2, {0}))}
end, few)
add("a record changed in place", function(r)
  r.total, r.b = r.a + r.b, nil
  return r
end, {{a = 1, b = 2}, {a = 3, b = 4}})

-- These leave a trace, or reach out.
local cache, buffer, calls = {}, {}, 0
add("a cache", function(n) cache[n] = cache[n] or n * n return cache[n] end, few, "captured table 'cache'")
add("a buffer", function(n) buffer[1] = n return buffer[1] * 2 end, few, "captured table 'buffer'")
add("a counter of calls", function(n) calls = calls + n return n end, few, "captured variable 'calls'")
add("a global that was to be local", function(n) result = n return result end, few, "global 'result'") -- luacheck: ignore
add("sorting what is captured", function(n) table.sort(many) return many[n] end, few, "captured table 'many'")
add("a field of a captured record", function(i) people[i].seen = true return people[i].name end, few, "captured table")

return idioms
