std = "lua54"
max_line_length = 110

files["spec"] = { std = "+busted" }
files["examples"] = { read_globals = { "parallel" } }
files["bench"] = { read_globals = { "parallel" } }
