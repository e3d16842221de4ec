-- The test runner, for whichever Lua runs this file.
require "busted.runner" { standalone = false }
