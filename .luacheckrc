std = "lua54"
self = false -- a method need not use its object

files["spec"] = { std = "+busted" }
files["examples"] = { read_globals = { "parallel" } }
files["lua/types"] = { ignore = {"212", "241"} } -- functions without bodies, classes that are not returned
files["bench"] = { read_globals = { "parallel" } }
