-- `luarocks make` installs the module, its store where SQLite is there, and the command `moons`.
rockspec_format = "3.0"
package = "moons"
version = "scm-1"
source = {url = "."} -- what is in this folder
description = {
  summary = "Functions in parallel, each call in a Lua state of its own",
  license = "MIT",
}
dependencies = {"lua >= 5.4, < 5.5"}
external_dependencies = {UV = {header = "uv.h"}}
build = {
  type = "make",
  build_target = "rock",
  install_target = "install-rock",
  install_variables = {BINDIR = "$(BINDIR)", LUA_CMODDIR = "$(LIBDIR)"},
}
deploy = {wrap_bin_scripts = false}
