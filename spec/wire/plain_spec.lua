-- nil, booleans, numbers and strings: exactly.
local script = require "support.script"
local travels = require "wire.travels"

describe("plain values", function()
  it("nil travels, also several and at the end", function()
    travels("return nil, nil, 1, nil", "local p = table.pack(...) equal(p, {[3] = 1, n = 4})")
  end)

  it("booleans travel", function()
    travels("return true, false", "local a, b = ... assert(a == true and b == false)")
  end)

  it("no value at all travels", function()
    travels("return", "assert(select('#', ...) == 0)")
  end)

  it("integers of every size stay integers", function()
    travels([[
      local all = {0, 1, -1, math.maxinteger, math.mininteger, math.maxinteger - 1}
      for shift = 6, 63 do
        for delta = -1, 1 do
          all[#all + 1] = (1 << shift) + delta
          all[#all + 1] = -(1 << shift) + delta
        end
      end
      return table.unpack(all)
    ]], [[
      local all, n = {...}, 6
      equal({table.unpack(all, 1, 6)},
        {0, 1, -1, 9223372036854775807, math.mininteger, 9223372036854775806})
      for shift = 6, 63 do
        for delta = -1, 1 do
          equal(all[n + 1], (1 << shift) + delta)
          equal(all[n + 2], -(1 << shift) + delta)
          n = n + 2
        end
      end
    ]])
  end)

  it("floats keep every bit", function()
    travels([[
      return 0.0, -0.0, 1/0, -1/0, 5e-324, 2^-1022, 1.7976931348623157e308, 0.1, 3.0, 2^53, 2^63, -2^63,
        (string.unpack("<d", "\x01\0\0\0\0\0\xf8\x7f")), (string.unpack("<d", "\xef\xbe\xad\xde\0\0\xf8\xff"))
    ]], [[
      local all = {...}
      local expected = {
        "0000000000000000", "0000000000000080", "000000000000f07f", "000000000000f0ff", "0100000000000000",
        "0000000000001000", "ffffffffffffef7f", "9a9999999999b93f", "0000000000000840", "0000000000004043",
        "000000000000e043", "000000000000e0c3", "010000000000f87f", "efbeadde0000f8ff",
      }
      for i, bits in ipairs(expected) do
        equal(math.type(all[i]), "float")
        equal((string.pack("<d", all[i]):gsub(".", function(c) return ("%02x"):format(c:byte()) end)), bits)
      end
    ]])
  end)

  it("numbers of both kinds side by side keep their kinds", function()
    script.passes [[
      local xs = {1, 2, 2.0, 3.0, -0.0, 4, 0.5, math.mininteger, 1e300, 7}
      local types = parallel.map(math.type, xs)
      for i, x in ipairs(xs) do equal(types[i], math.type(x)) end
      local back = parallel.map(function(x) return x end, xs)
      equal(back, xs)
      equal(1 / back[5], -math.huge)
    ]]
  end)

  it("strings keep every byte", function()
    travels([[
      local all = {}
      for i = 0, 255 do all[#all + 1] = string.char(i) end
      return "", "\0", "a\0b\0", table.concat(all), "h\u{e9}llo \u{1F319}", "\xff\xfe"
    ]], [[
      local a, b, c, d, e, f = ...
      assert(a == "" and b == "\0" and c == "a\0b\0" and #d == 256 and e == "h\u{e9}llo \u{1F319}")
      for i = 0, 255 do equal(d:byte(i + 1), i) end
      equal(f, "\xff\xfe")
    ]])
  end)

  it("strings of lengths about every border travel", function()
    travels([[
      local all = {}
      for _, n in ipairs {1, 39, 40, 41, 42, 127, 128, 254, 255, 256, 257, 16383, 16384, 65535, 65536, 70000} do
        all[#all + 1] = ("x"):rep(n - 1) .. "y"
      end
      return table.unpack(all)
    ]], [[
      local all = {...}
      for i, n in ipairs {1, 39, 40, 41, 42, 127, 128, 254, 255, 256, 257, 16383, 16384, 65535, 65536, 70000} do
        equal(all[i], ("x"):rep(n - 1) .. "y")
      end
    ]])
  end)

  it("a string of 100 MB travels #large", function()
    script.passes [[
      local text = ("0123456789"):rep(10000000)
      local lengths = parallel.map(function(s) return #s end, {text})
      equal(lengths[1], 100000000)
      local back = parallel.map(function(n) return ("0123456789"):rep(n) end, {10000000})
      assert(back[1] == text)
    ]]
  end)

  it("one long string many times in a message is sent once", function()
    travels([[
      local text, all = ("long "):rep(1000), {}
      for i = 1, 20000 do all[i] = text end
      return all
    ]], [[
      local all = ...
      equal(#all, 20000)
      local text = ("long "):rep(1000)
      for i = 1, #all do assert(all[i] == text) end
    ]])
  end)
end)
