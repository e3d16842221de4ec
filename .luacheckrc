std = "lua54"
self = false -- a method need not use its object

files["spec"] = { std = "+busted" }
files["examples"] = { read_globals = { "parallel" } }
files["bench"] = { read_globals = { "parallel" } }
