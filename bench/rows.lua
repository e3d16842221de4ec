--- What is measured: the parts, and in each the rows of its table.
-- A part: its name; `by`, the program or module that measures it, where that has another; `with`, numbers for it;
-- `on_demand`: only measured when asked for by name.
-- A row: the key of its samples; what it is; the unit to show it in (samples of times are in ns).
-- `against` is the key of what it is compared with: the ratio says how many times longer that takes.
-- `at_least` is the ratio wanted, `at_most` the value wanted. `shows` is what stands in place of the
-- median: "p99" (99th percentile) or "max".
-- @module rows

-- Ratios of "at most so many times as long as the other".
local function at_most_times(n)
  return 1 / n
end

local function squares_part(part)
  return table.move({
    {"loop", "a loop, time for each item", "ns"},
    {"map", "`map`, time for each item", "ns", against = "loop", at_least = 1},
    {"results", "the table of results, 16 bytes each", "MiB"},
    {"peak", "the most memory during a map", "MiB", against = "results", at_least = at_most_times(1.25)},
  }, 1, 4, 1, part)
end

-- What a caller costs on each backend, and simulations against what they tell of.
local function cluster_part(part)
  local function add(...) table.insert(part, {...}) end
  for _, name in ipairs {"threads", "processes", "ssh", "srun"} do
    add(name .. "_main", ("%s: processor time of the caller's thread, a chunk"):format(name), "µs")
    if name ~= "threads" then
      table.insert(part, {name .. "_process", "the same of its whole process", "µs", at_most = 60})
    end
    if name == "ssh" or name == "srun" then
      add(name .. "_near", "the same of the programs that connect it", "µs")
    end
    add(name .. "_call", "processor time of the caller's thread, a call", "ns")
    add(name .. "_away", "from the end of a chunk on a worker to the start of the next", "µs")
  end
  add("slowness", "how many times longer threads that compute take, for what else the machine does", "")
  table.insert(part, {"idle", "an agent that waits, its workers, and sshd, of a core", "%", at_most = 2})
  for _, name in ipairs {"threads", "processes", "ssh"} do
    for _, map in ipairs {{8, 1}, {8, 10}, {64, 10}, {64, 100}} do
      local key = ("%s_wait_%d_%d"):format(name, table.unpack(map))
      add("said_" .. key, ("%s: %d workers, calls that wait %d ms: part of the workers' time, simulated")
        :format(name, table.unpack(map)), "%")
      add("slow_" .. key, "the same, as slow as threads that compute", "%")
      table.insert(part, {"real_" .. key, "the same, measured", "%", against = "said_" .. key})
    end
    for _, ms in ipairs {1, 10} do
      local key = ("%s_work_%d"):format(name, ms)
      add("said_" .. key, ("%s: calls that compute %d ms, 2 workers, time for each, simulated"):format(name, ms), "µs")
      table.insert(part, {"real_" .. key, "the same, measured", "µs", against = "said_" .. key})
    end
  end
  return part
end

return {
  {
    part = "states",
    title = "A state as new for each call of `x^2`",
    {"new", "`luaL_newstate`, `luaL_openlibs`, `lua_close`", "µs"},
    {"image_bytes_all", "bytes of the image with all libraries", ""},
    {"image_bytes_small", "bytes of the image with base and string", ""},
    {"image_all", "image with all libraries, `lua_pcall`", "ns", against = "new", at_least = 40},
    {"image_small", "image with base and string, `lua_pcall`", "ns", against = "new", at_least = 150},
    {"copy_all", "as many bytes as the image with all libraries, `memcpy`", "ns"},
    {"copy_small", "as many bytes as that with base and string, `memcpy`", "ns"},
    {"worker_all", "a call in a worker, all libraries", "ns", against = "new", at_least = 40},
    {"worker_small", "a call in a worker, which opens no libraries for it", "ns", against = "new", at_least = 150},
    {"worker_kept", "a call in a worker, `fresh = false`", "ns", against = "new"},
    {"same", "`lua_pcall` in the same state", "ns", against = "new"},
    {"record_megabytes", "1 000 000 captured records, in the image", "MB"},
    {"record_copy", "`memcpy` of so much", "ms"},
    {"record_image", "image, a call that reads a record", "µs", against = "record_copy", at_least = 100},
    {"record_worker", "the same in a worker", "µs", against = "record_copy", at_least = 100},
    {"one_worker", "calls in a worker, one thread", "ns"},
    {"two_workers", "calls in two workers at once, time for each of all calls", "ns",
      against = "one_worker", at_least = 1.9},
    {"one_bare", "bare `lua_pcall`, one thread", "ns"},
    {"two_bare", "bare `lua_pcall`, two threads at once: the ceiling", "ns", against = "one_bare"},
    {"two_of_one_bare", "two bare threads, time as a part of one's", ""},
    {"two_of_one_worker", "two workers, time as a part of one's", "", against = "two_of_one_bare", at_least = 0.95},
  },
  {
    part = "maps",
    title = "`x^2` over 1 000 000 floats, time for each item",
    {"loop", "a loop over a table", "ns"},
    {"loop_range", "a loop over a range", "ns"},
    {"bare", "two bare threads, half of the items each, no table", "ns", against = "loop"},
    {"table_kept", "`map` over a table, `fresh = false`", "ns", against = "loop", at_least = 1.2},
    {"range_kept", "`map` over a range, `fresh = false`", "ns", against = "loop_range", at_least = 1.4},
    {"table_fresh", "`map` over a table", "ns", against = "loop", at_least = at_most_times(4)},
    {"table_fresh", "`map` over a table, against a new state", "ns", against = "new_state", at_least = 400},
    {"range_fresh", "`map` over a range", "ns", against = "loop_range"},
    {"table_limited", "`map` over a table, `timeout = 3600`", "ns", against = "table_fresh"},
    {"break_even_kept", "length from which `map`, `fresh = false`, is as fast as the loop", "items", at_most = 2000},
    {"break_even_fresh", "length from which `map` is as fast as the loop", "items"},
    {"break_even_range_kept", "the same over a range, `fresh = false`", "items", at_most = 1000},
    {"break_even_range_fresh", "the same over a range", "items"},
    {"break_even_1_fresh", "number of calls of 1 µs from which `map` is as fast as the loop", "calls", at_most = 15},
    {"format_loop", "`string.format`, `math.sin`, a global helper: a loop", "ns"},
    {"format_kept", "the same, `map`, `fresh = false`", "ns", against = "format_loop"},
    {"format_fresh", "the same, `map`", "ns", against = "format_kept", at_least = at_most_times(2.5)},
    {"rows_loop", "standard deviation of 100 000 rows of 10: a loop", "ns"},
    {"rows_kept", "the same, `map`, `fresh = false`", "ns", against = "rows_loop", at_least = 1.3},
    {"rows_fresh", "the same, `map`", "ns", against = "rows_loop", at_least = 1.3},
    {"progress_quiet", "500 000 items, processor time", "ns"},
    {"progress_told", "the same with a progress function", "ns", against = "progress_quiet", at_least = 0.99},
    {"progress_shown", "the same with `progress = true`", "ns", against = "progress_quiet", at_least = 0.99},
  },
  {
    part = "arrays",
    title = "Arrays, time for each item",
    {"loop", "`x^2` of 1 000 000 floats: a loop over a table", "ns"},
    {"into_kept", "the same from array to array, `map`, `fresh = false`", "ns", against = "loop", at_least = 2.5},
    {"into_fresh", "the same, `map`", "ns", against = "loop"},
    {"table_kept", "the same from an array to a table, `fresh = false`", "ns", against = "loop", at_least = 1.2},
    {"rows_loop", "standard deviation of 100 000 rows of 10: a loop over tables", "ns"},
    {"rows_kept", "the same of an array's rows, `map`, `fresh = false`", "ns", against = "rows_loop", at_least = 1.3},
    {"rows_fresh", "the same, `map`", "ns", against = "rows_loop"},
    {"numbers_kept", "the same, `starmap`, `fresh = false`", "ns", against = "rows_loop", at_least = 2.8},
    {"numbers_fresh", "the same, `starmap`", "ns", against = "rows_loop"},
  },
  {
    part = "functions",
    title = "Small functions in the default mode, time for each item",
    {"sin_loop", "`math.sin(x)`: a loop", "ns"},
    {"sin_map", "the same, `map`", "ns", against = "sin_loop", at_least = 1.5},
    {"config_loop", "`config.a * x + config.b` of a captured table: a loop", "ns"},
    {"config_map", "the same, `map`", "ns", against = "config_loop"},
    {"point_loop", "one of 1000 captured points: a loop", "ns"},
    {"point_map", "the same, `map`", "ns", against = "point_loop"},
    {"list_loop", "a local table of ten: a loop", "ns"},
    {"list_map", "the same, `map`", "ns", against = "list_loop"},
    {"even_loop", "`x % 2 == 0`: a loop", "ns"},
    {"even_map", "the same, `map`", "ns", against = "even_loop"},
    {"words_loop", "words counted by `gmatch`: a loop", "ns"},
    {"words_map", "the same, `map`", "ns", against = "words_loop"},
    {"records_loop", "100 of 20 000 captured records: a loop", "µs"},
    {"records_map", "the same, `map`", "µs", against = "records_loop"},
    {"one_function", "one function, a map of ten items, one worker", "µs"},
    {"thousand_functions", "a thousand functions in turn, each a map of ten items", "µs", at_most = 45},
    {"futures", "100 000 futures, submitted and got", "s", at_most = 3},
  },
  {
    part = "calls",
    title = "Calls that last a while, 2 workers, time for each call",
    {"bare_10", "10 µs, bare threads: the ceiling", "µs"},
    {"calls_10", "10 µs, `map`", "µs", against = "bare_10", at_least = 0.93},
    {"bare_cpu_10", "10 µs, bare threads, processor time", "µs"},
    {"calls_cpu_10", "10 µs, `map`, processor time", "µs", against = "bare_cpu_10"},
    {"bare_100", "100 µs, bare threads: the ceiling", "µs"},
    {"calls_100", "100 µs, `map`", "µs", against = "bare_100", at_least = 0.97},
    {"bare_cpu_100", "100 µs, bare threads, processor time", "µs"},
    {"calls_cpu_100", "100 µs, `map`, processor time", "µs", against = "bare_cpu_100"},
    {"limited_100", "100 µs, `map` with a timeout that is not reached", "µs", against = "calls_100"},
    {"bare_1000", "1 ms, bare threads: the ceiling", "µs"},
    {"calls_1000", "1 ms, `map`", "µs", against = "bare_1000", at_least = 0.99},
    {"bare_cpu_1000", "1 ms, bare threads, processor time", "µs"},
    {"calls_cpu_1000", "1 ms, `map`, processor time", "µs", against = "bare_cpu_1000"},
  },
  {
    part = "store",
    title = "The option `store`, and settings of a grid",
    {"new", "processor time of a call more, of settings and results with two or three fields", "µs", at_most = 20},
    {"there", "the same, where it is in the store", "µs", at_most = 20},
    {"map", "a map of one call that is in the store", "µs"},
    {"plain_1000", "1000 calls of 1 ms, 2 workers, time for each", "µs"},
    {"new_1000", "the same with `store`", "µs", against = "plain_1000", at_least = 0.97},
    {"loops", "100 000 settings of two parameters, made by two loops, time for each", "ns"},
    {"grid", "the same read from a `grid`", "ns", against = "loops"},
  },
  {
    part = "trace",
    title = "Calls of 10 µs with `moons --trace`, 2 workers, time for each call",
    {"plain", "without a trace", "µs"},
    {"traced", "with a trace", "µs", against = "plain", at_least = 0.98},
    {"plain_cpu", "without a trace, processor time", "µs"},
    {"traced_cpu", "with a trace, processor time", "µs", against = "plain_cpu", at_least = 0.98},
  },
  {
    part = "pools",
    title = "Pools that have little to do",
    {"ping_idle", "two threads wake each other, after a pause", "µs"},
    {"apply_idle", "`pool:apply` of an empty function, after a pause", "µs", against = "ping_idle",
      at_least = at_most_times(1.3)},
    {"ten_idle", "`pool:map` of 10 trivial items, after a pause", "µs", against = "ping_idle",
      at_least = at_most_times(1.3)},
    {"one_idle", "a map of one item after a pause", "µs", against = "ping_idle", at_most = 4},
    {"ping_stream", "two threads wake each other, in a stream", "µs"},
    {"apply_stream", "`pool:apply` of an empty function, in a stream", "µs", against = "ping_stream", at_most = 10},
    {"ten_stream", "`pool:map` of 10 trivial items, in a stream", "µs", against = "ping_stream", at_most = 10},
    {"one_stream", "a map of one item, in a stream", "µs", against = "ping_stream"},
    {"start_bare", "8 bare threads that each make a state", "µs"},
    {"start_made", "`parallel.pool(8)`", "µs", against = "start_bare", at_least = at_most_times(2)},
    {"start_pool", "`parallel.pool(8)` and a map of 8 calls", "µs", against = "start_bare",
      at_least = at_most_times(2)},
    {"sleep_over", "a sleep of 2 ms overslept: the limit of what waits", "ms"},
    {"memory_workers", "workers that have run a call and wait", ""},
    {"memory_idle", "memory of each", "KiB", at_most = 100},
    {"idle_processor", "processor time of a waiting pool of 8, in a second", "ms", at_most = 1},
  },
  {
    part = "schedule",
    title = "When calls run and end",
    {"skewed_bare", "140 calls of 0.1 to 100 ms as equal halves on two bare threads", "ms"},
    {"skewed_map", "the same calls, shuffled, `map`", "ms", against = "skewed_bare", at_least = at_most_times(1.05)},
    {"waits_over", "1 to 15 calls that wait 0.2 s on 8 workers: time over the ideal, at most", "ms",
      at_most = 5, shows = "max"},
    {"deadline_loop", "a deadline of 10 ms overshot, endless loop, 99th percentile", "ms", at_most = 5, shows = "p99"},
    {"deadline_coroutine", "the same in a coroutine", "ms", at_most = 5, shows = "p99"},
    {"deadline_pcall", "the same under `pcall` in a loop", "ms", at_most = 5, shows = "p99"},
    {"interrupt_2", "a signal to endless loops on 2 workers until the process has ended, at most", "ms",
      at_most = 100, shows = "max"},
    {"interrupt_64", "the same on 64 workers, at most", "ms", at_most = 100, shows = "max"},
  },
  {
    part = "waits_long",
    title = "Calls that wait for long",
    by = "waits", with = {2, 1},
    on_demand = true,
    {"waits_over", "1 to 15 calls that wait 2 s on 8 workers: time over the ideal, at most", "ms",
      at_most = 5, shows = "max"},
  },
  {
    part = "captured",
    title = "1 000 000 captured floats, sent to 8 workers",
    {"encode", "encoded, one thread", "ms"},
    {"decode", "decoded, one thread", "ms"},
    {"once", "encoded once and decoded 8 times, one thread", "ms"},
    {"each", "encoded and decoded 8 times, one thread", "ms"},
    {"map_kept", "`pool:map` of 8 calls that read one of them, `fresh = false`", "ms", against = "once", at_least = 1},
    {"map", "the same with images, against once encoded", "ms", against = "once"},
    {"map", "the same with images, against each encoded", "ms", against = "each", at_least = 1},
  },
  {
    part = "wire",
    title = "Values to bytes and back in one thread, time for each item",
    {"encode_floats", "1 000 000 floats, to bytes", "ns", against = "cmsgpack_encode_floats"},
    {"decode_floats", "1 000 000 floats, from bytes", "ns", against = "cmsgpack_decode_floats"},
    {"copy_floats", "1 000 000 floats, copied by Lua's API with no bytes in between", "ns"},
    {"cmsgpack_both_floats", "1 000 000 floats, both, lua-cmsgpack", "ns"},
    {"both_floats", "1 000 000 floats, both", "ns", against = "cmsgpack_both_floats", at_least = 5},
    {"encode_records", "100 000 records, to bytes", "ns", against = "cmsgpack_encode_records"},
    {"decode_records", "100 000 records, from bytes", "ns", against = "cmsgpack_decode_records"},
    {"copy_records", "100 000 records, copied by Lua's API with no bytes in between", "ns"},
    {"cmsgpack_both_records", "100 000 records, both, lua-cmsgpack", "ns"},
    {"both_records", "100 000 records, both", "ns", against = "cmsgpack_both_records", at_least = 2.5},
    {"encode_tree", "binary tree of 65 535 tables, to bytes", "ns", against = "cmsgpack_encode_tree"},
    {"decode_tree", "binary tree of 65 535 tables, from bytes", "ns", against = "cmsgpack_decode_tree"},
    {"copy_tree", "binary tree of 65 535 tables, copied by Lua's API with no bytes in between", "ns"},
    {"cmsgpack_both_tree", "binary tree of 65 535 tables, both, lua-cmsgpack", "ns"},
    {"both_tree", "binary tree of 65 535 tables, both", "ns", against = "cmsgpack_both_tree", at_least = 2},
    {"encode_string", "string of 10 MB, to bytes, time for each byte", "ns", against = "cmsgpack_encode_string"},
    {"decode_string", "string of 10 MB, from bytes, time for each byte", "ns", against = "cmsgpack_decode_string"},
    {"copy_string", "string of 10 MB, copied by Lua's API with no bytes in between, time for each byte", "ns"},
    {"cmsgpack_both_string", "string of 10 MB, both, lua-cmsgpack, time for each byte", "ns"},
    {"both_string", "string of 10 MB, both, time for each byte", "ns", against = "cmsgpack_both_string", at_least = 1},
  },
  squares_part {part = "squares", title = "10 000 000 squares over a range, `fresh = false`", with = {10000000, 3}},
  -- Some 3 GB and a minute.
  squares_part {part = "squares_long", title = "100 000 000 squares over a range, `fresh = false`",
    by = "squares", with = {100000000, 1}, on_demand = true},
  {
    part = "processes",
    title = "Worker processes",
    {"apply_threads", "`pool:apply`, threads, where the one that waits makes such calls itself", "µs"},
    {"apply_python", "`Pool.apply` of Python's multiprocessing, two processes", "µs"},
    {"apply_processes", "`pool:apply`, two processes, against Python", "µs", against = "apply_python", at_least = 1},
    {"apply_processes", "the same against threads", "µs", against = "apply_threads"},
    {"threads_10", "calls of 10 µs, two threads, time for each", "µs"},
    {"processes_10", "the same on two processes", "µs", against = "threads_10", at_least = 0.85},
    {"threads_100", "calls of 100 µs, two threads, time for each", "µs"},
    {"processes_100", "the same on two processes", "µs", against = "threads_100", at_least = 0.9},
    {"threads_1000", "calls of 1 ms, two threads, time for each", "µs"},
    {"processes_1000", "the same on two processes", "µs", against = "threads_1000", at_least = 0.95},
    {"start_threads", "a pool of 8 threads made, 8 calls done, closed", "ms"},
    {"start_python", "the same of 8 forked processes of Python's", "ms"},
    {"start_processes", "the same of 8 worker processes", "ms", against = "start_python", at_least = 2},
    {"private", "memory that a worker process has for itself", "KiB", at_most = 512},
  },
  cluster_part {part = "cluster", title = "One caller, from threads to other machines", on_demand = true},
  {
    part = "hosts",
    title = "Calls of C programs, two workers",
    {"libraries", "`luaL_openlibs` in a new state", "µs"},
    {"open", "`moons_open` in the same", "µs", against = "libraries", at_least = 1},
    {"require", "`require \"parallel\"` there", "µs", against = "libraries", at_least = 1},
    {"run", "`moons_run` of an empty function", "µs"},
    {"loop", "`moons_submit`, a loop of libuv that is woken, `moons_next`", "µs", against = "run",
      at_least = at_most_times(2)},
    {"bare", "the same loop woken by a bare thread that looks busily and runs nothing", "µs"},
    {"map_20", "10 000 calls of 20 µs, one `parallel.map`, time for each", "µs"},
    {"flight_20", "the same submitted one by one, all under way at once", "µs", against = "map_20"},
    {"map_100", "10 000 calls of 100 µs, one `parallel.map`, time for each", "µs"},
    {"flight_100", "the same submitted one by one, all under way at once", "µs", against = "map_100", at_least = 0.9},
    {"same", "`moons_run` of one program", "µs"},
    {"turn", "`moons_run` of 1000 programs in turn", "µs", against = "same"},
    {"turn_more", "what it takes longer", "µs", at_most = 20},
    {"alone_50", "a tenant's calls of 50 µs, the median of their times there and back", "µs"},
    {"flooded_50", "the same while 2000 calls of another wait", "µs", against = "alone_50",
      at_least = at_most_times(3)},
    {"alone_1000", "a tenant's calls of 1 ms", "ms"},
    {"flooded_1000", "the same while 2000 calls of another wait", "ms", against = "alone_1000",
      at_least = at_most_times(3)},
  },
  {
    part = "tenants",
    title = "Calls of 50 tenants beside one that floods, one that loops for 100 ms, one that hangs in a pattern",
    {"alone_1_50", "calls of 50 µs, one tenant after the other, alone", "µs"},
    {"beside_1_50", "the same beside those", "µs", against = "alone_1_50", at_least = at_most_times(3)},
    {"slow_beside_1_50", "the 99th percentile of these times", "ms"},
    {"alone_50_50", "calls of 50 µs, each tenant has one under way, alone", "ms"},
    {"beside_50_50", "the same beside those", "ms", against = "alone_50_50", at_least = at_most_times(3)},
    {"slow_beside_50_50", "the 99th percentile of these times", "ms"},
    {"alone_1_1000", "calls of 1 ms, one tenant after the other, alone", "ms"},
    {"beside_1_1000", "the same beside those", "ms", against = "alone_1_1000", at_least = at_most_times(3)},
    {"slow_beside_1_1000", "the 99th percentile of these times", "ms"},
    {"alone_50_1000", "calls of 1 ms, each tenant has one under way, alone", "ms"},
    {"beside_50_1000", "the same beside those", "ms", against = "alone_50_1000", at_least = at_most_times(3)},
    {"slow_beside_50_1000", "the 99th percentile of these times", "ms"},
    {"timed_out", "their calls whose 100 ms were over, in a round, at most", "", shows = "max"},
  },
  {
    part = "rules",
    title = "Rules below HTTP: one Lua state without a pool, and two workers, time for each",
    {"one_2", "rules of 2 µs, one state", "µs"},
    {"pool_2", "the same, `moons_submit`, 64 under way", "µs", against = "one_2"},
    {"one_50", "rules of 50 µs, one state", "µs"},
    {"pool_50", "the same, `moons_submit`, 64 under way", "µs", against = "one_50"},
    {"one_1000", "rules of 1 ms, one state", "µs"},
    {"pool_1000", "the same, `moons_submit`, 64 under way", "µs", against = "one_1000", at_least = 1.8},
    {"images", "what images of a worker may hold (`images_bytes`)", "MiB"},
    {"resident", "what 1000 programs hold that have 130 MB to keep, one worker", "MiB", against = "images",
      at_least = at_most_times(1.2)},
  },
  {
    part = "service",
    title = "The rules service, its client on the same machine, time for each request",
    on_demand = true,
    {"http_one_2", "rules of 2 µs, one Lua state behind the same HTTP server", "µs"},
    {"http_pool_2", "the same, the service", "µs", against = "http_one_2"},
    {"http_one_50", "rules of 50 µs, one state", "µs"},
    {"http_pool_50", "the same, the service", "µs", against = "http_one_50"},
    {"http_one_1000", "rules of 1 ms, one state", "µs"},
    {"http_pool_1000", "the same, the service", "µs", against = "http_one_1000", at_least = 1.8},
    {"http_late", "requests of a round that ran longer than the 100 ms of their terms, at most", "", shows = "max"},
    {"million", "requests of 1 000 000, in 300 s at most, each answer compared", ""},
    {"million_each", "time of each of the whole", "µs"},
    {"million_median", "from the request to its answer, 16 at a time, the median", "µs"},
    {"million_slow", "the same, 99th percentile", "µs"},
    {"million_late", "of them, such that ran longer than 100 ms", ""},
    {"million_grown", "what the service has grown by after the first 50 000", "KiB", at_most = 1024},
  },
  {
    part = "memory",
    title = "What memory grows by in 1 000 000 calls, after the first 400 000",
    {"grown_fresh_number", "calls that return a number", "KiB", at_most = 1024},
    {"grown_fresh_table", "calls that return a table", "KiB", at_most = 1024},
    {"grown_fresh_string", "calls that return a string", "KiB", at_most = 1024},
    {"grown_kept_number", "a number, `fresh = false`", "KiB", at_most = 1024},
    {"grown_kept_table", "a table, `fresh = false`", "KiB", at_most = 1024},
    {"grown_kept_string", "a string, `fresh = false`", "KiB", at_most = 1024},
  },
}
