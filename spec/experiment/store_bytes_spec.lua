-- What the store makes of values: canonical bytes and back, digests, JSON.
local script = require "support.script"

local START = [[
  local library, core = require "parallel.store", require "parallel.core"
  local writer = require "parallel.experiment.canonical".writer(library)
  local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
  local function read(bytes) return library.read(bytes, core.array_of_parts) end
]]

local function passes(name, code)
  it(name, function()
    script.passes(START .. code)
  end)
end

describe("the digest of a store", function()
  -- Examples of FIPS 180-2, appendix B, and of the empty message.
  passes("is SHA-256, whatever the pieces", [[
    local long = ("a"):rep(1000000)
    for message, digest in pairs {
      [""] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq =
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
      [long] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
    } do
      equal(hex(library.digest(message)), digest)
      for cut = 0, math.min(#message, 130) do
        equal(hex(library.digest(message:sub(1, cut), message:sub(cut + 1))), digest)
      end
    end
  ]])
end)

describe("JSON of a store", function()
  passes("can be read by anybody", [==[
    for text, value in pairs {
      ["0.1"] = 0.1, ["-0.0"] = -0.0, ["1e+300"] = 1e300, ["1e-07"] = 1e-7, ["0.33333333333333331"] = 1 / 3,
      ["123456.789"] = 123456.789, ["999999999.5"] = 999999999.5, ["1000000000.0"] = 1e9, ["5.0"] = 5.0,
      ["0.00001234"] = 0.00001234, ["0.123456789012"] = 0.123456789012, ["9007199254740992.0"] = 2.0^53,
      ["-9223372036854775808"] = math.mininteger, ["0"] = 0, ["-7"] = -7,
      ['"inf"'] = 1 / 0, ['"-inf"'] = -1 / 0, ["true"] = true, ["false"] = false,
      [ [["a\"b\\\n\u0001é\u007f"]] ] = "a\"b\\\n\1é\127", ['"ÿþ€"'] = "ÿþ€", ['"ÿþ"'] = "\xff\xfe",
      ["{}"] = {}, ["[1,2,[3]]"] = {1, 2, {3}}, ["[1,2,null,null]"] = {1, 2, n = 4},
      ["[null,2,null]"] = {n = 3, nil, 2},
      ['{"1":1,"2":2,"x":3}'] = {1, 2, x = 3}, ['{"n":-1}'] = {n = -1}, ['{"1":1,"n":0}'] = {1, n = 0},
      ['{"-2":2,"1.5":1,"b":0,"true":3,"(table)":4}'] = {[1.5] = 1, [-2] = 2, [true] = 3, [{}] = 4, b = 0},
      ['{"f":"(function)"}'] = {f = print},
    } do
      equal(writer:json(value), text)
    end
    local cycle = {} cycle[1] = cycle
    assert(writer:json(cycle):find('"(table)"', 1, true))
    local _ = os.setlocale "de_DE.UTF-8" or os.setlocale "fr_FR.UTF-8" -- where there is one of them
    equal(writer:json(0.25 + 1 / 3), "0.58333333333333326")
  ]==])

  passes("gives each float again", [[
    math.randomseed(1)
    for _ = 1, 20000 do
      local x = string.unpack("d", string.pack("j", math.random(0)))
      if x == x and x - x == 0 then assert(tonumber(writer:json(x)) == x, x) end
      local y = math.random(-10^9, 10^9) / 10^math.random(0, 12)
      assert(tonumber(writer:json(y)) == y, y)
    end
  ]])
end)

describe("canonical bytes of a store", function()
  passes("have no depth", [[
    local list
    for i = 1, 1000000 do list = {i, list} end
    local bytes, is_plain = writer:write(list)
    assert(is_plain)
    local value, n = read(bytes), 0
    while value do n, value = n + 1, value[2] end
    equal(n, 1000000)
  ]])

  passes("keep what is shared, cycles, every kind of key, and every bit of a number", [[
    local shared, cycle = {1}, {}
    cycle.self, cycle[1], cycle[2] = cycle, shared, shared
    cycle[cycle], cycle[-1], cycle[0.5], cycle[true] = 1, 2, 3, 4
    cycle.a = parallel.array({{1, 2}, {3, 4}}, "int32")
    cycle.b = {cycle.a, cycle.a:rows()}
    local nan = string.unpack("d", string.pack("j", 0x7ff8dead0000beef))
    cycle.nan = nan
    local value = read((writer:write(cycle)))
    assert(value.self == value and value[1] == value[2] and value[1][1] == 1 and value[value] == 1)
    equal({value[-1], value[0.5], value[true]}, {2, 3, 4})
    assert(value.b[1] == value.a and value.a.type == "int32")
    equal({value.a:unpack()}, {1, 2, 3, 4})
    equal({#value.b[2], value.b[2][2]}, {2, {3, 4}})
    equal(string.pack("d", value.nan), string.pack("d", nan))
  ]])

  passes("are the same for equal tables, in whatever order they were filled, and for no others", [[
    local function filled(from, to, step)
      local t = {}
      for i = from, to, step do t["k" .. i], t[i * 1000], t[i + 0.5], t[{i}] = i, i, {i}, i end
      return writer:write(t)
    end
    equal(filled(1, 50, 1), filled(50, 1, -1))
    assert(filled(1, 50, 1) ~= filled(1, 51, 1))
    local seen = {}
    local one = {}
    for i, value in ipairs {
      1, 1.0, "1", true, {1}, {{1}}, {1.0}, {[2] = 1}, {a = 1}, {a = 1.0}, {b = 1}, {a = {}}, {one, one}, {{}, {}}, "",
      {}, 0.0, -0.0, 0, {"ab", "c"}, {"a", "bc"}, {true}, {[true] = true}, {[1.5] = 1}, parallel.array(2),
      parallel.array(3), parallel.array(2, "float32"), parallel.array {{0, 0}}, parallel.array(2):rows(),
    } do
      local bytes = writer:write(value)
      assert(not seen[bytes], i)
      seen[bytes] = true
    end
  ]])

  passes("that are damaged are an error, and no more", [[
    local value = {1, 2.5, "text", {x = true, y = {}}, parallel.array(3)}
    value.self = value
    local bytes = writer:write(value)
    local n_refused = 0
    for i = 1, #bytes do
      for _, byte in ipairs {0, 0x7f, 0x80, 0xff, bytes:byte(i) ~ 1} do
        local read_it, why = pcall(read, bytes:sub(1, i - 1) .. string.char(byte) .. bytes:sub(i + 1))
        if not read_it then n_refused = n_refused + 1 end
      end
      assert(not pcall(read, bytes:sub(1, i - 1)))
    end
    assert(not pcall(read, bytes .. "n") and n_refused > #bytes)
  ]])
end)
