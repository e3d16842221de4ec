std = "lua54"
max_line_length = 110
self = false -- a method need not use its object

files["spec"] = { std = "+busted" }
files["examples"] = { read_globals = { "parallel" } }
files["bench"] = { read_globals = { "parallel" } }
