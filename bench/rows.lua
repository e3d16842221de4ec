--- What is measured: the parts, and in each the rows of its table.
-- A row: the key of its samples; what it is; the unit to show it in (samples of times are in ns).
-- `against` is the key of what it is compared with: the ratio says how many times longer that takes.
-- `at_least` is the ratio wanted, `at_most` the value wanted.
-- @module rows

return {
  {
    part = "states",
    title = "A state as new for each call of `x^2`, one thread",
    {"new", "`luaL_newstate`, `luaL_openlibs`, `lua_close`", "µs"},
    {"image_all", "image with all libraries, `lua_pcall`", "ns", against = "new", at_least = 40},
    {"image_small", "image with base and string, `lua_pcall`", "ns", against = "new", at_least = 150},
    {"worker_all", "a call in a worker, all libraries", "ns", against = "new", at_least = 40},
    {"worker_small", "a call in a worker, base and string", "ns", against = "new", at_least = 150},
    {"worker_kept", "a call in a worker, `fresh = false`", "ns", against = "new"},
    {"same", "`lua_pcall` in the same state", "ns", against = "new"},
    {"record_megabytes", "captured records, in the image", "MB"},
    {"record_copy", "`memcpy` of so much", "ms"},
    {"record_image", "image, a call that reads a record", "µs", against = "record_copy", at_least = 100},
    {"record_worker", "the same in a worker", "µs", against = "record_copy", at_least = 100},
  },
  {
    part = "calls",
    title = "Calls that last a while, 2 workers, time for each call",
    {"bare_10", "10 µs, bare threads", "µs"},
    {"calls_10", "10 µs, `parallel.map`", "µs", against = "bare_10"},
    {"bare_100", "100 µs, bare threads", "µs"},
    {"calls_100", "100 µs, `parallel.map`", "µs", against = "bare_100", at_least = 0.95},
    {"bare_1000", "1 ms, bare threads", "µs"},
    {"calls_1000", "1 ms, `parallel.map`", "µs", against = "bare_1000"},
  },
  {
    part = "memory",
    title = "Memory after 1 000 000 calls, less that after 10 000",
    {"grown_fresh_number", "calls that return a number", "KiB", at_most = 256},
    {"grown_fresh_table", "calls that return a table", "KiB", at_most = 256},
    {"grown_fresh_string", "calls that return a string", "KiB", at_most = 256},
    {"grown_kept_number", "a number, `fresh = false`", "KiB", at_most = 256},
    {"grown_kept_table", "a table, `fresh = false`", "KiB", at_most = 256},
    {"grown_kept_string", "a string, `fresh = false`", "KiB", at_most = 256},
  },
  {
    part = "maps",
    title = "`x^2` over 1 000 000 items, time for each item; maps of few items",
    {"loop", "a loop in this state", "ns"},
    {"table_fresh", "`map` over a table", "ns", against = "loop"},
    {"range_fresh", "`map` over a range", "ns", against = "loop"},
    {"table_kept", "`map` over a table, `fresh = false`", "ns", against = "loop"},
    {"range_kept", "`map` over a range, `fresh = false`", "ns", against = "loop"},
    {"map_of_1", "a map of 1 item", "µs"},
    {"map_of_10", "a map of 10 items", "µs"},
  },
  {
    part = "wire",
    title = "Values to bytes and back, time for each item",
    {"encode_floats", "1 000 000 floats, to bytes", "ns"},
    {"decode_floats", "1 000 000 floats, from bytes", "ns"},
    {"encode_records", "100 000 records, to bytes", "ns"},
    {"decode_records", "100 000 records, from bytes", "ns"},
    {"encode_tree", "binary tree of 65 535 tables, to bytes", "ns"},
    {"decode_tree", "binary tree of 65 535 tables, from bytes", "ns"},
    {"encode_string", "string of 10 MB, to bytes, time for each byte", "ns"},
    {"decode_string", "string of 10 MB, from bytes, time for each byte", "ns"},
  },
}
