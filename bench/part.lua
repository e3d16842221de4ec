-- Measures one part, and prints a line "key value" for each sample.
--
--     moons bench/part.lua FOLDER NAME
--
-- FOLDER is where the C modules of this folder were built.

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path
package.cpath = arg[1] .. "/?.so;" .. package.cpath

require(arg[2])(function(key, value)
  print(("%s %.9g"):format(key, value))
end)
