-- Measures one part, and prints a line "key value" for each sample.
--
--     moons bench/part.lua FOLDER NAME [NUMBER ...]
--
-- FOLDER is where the C modules of this folder were built; the numbers are for the module NAME.

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path
package.cpath = arg[1] .. "/?.so;" .. package.cpath

local function sample(key, value)
  print(("%s %.9g"):format(key, value))
end

require(arg[2])(sample, tonumber(arg[3]), tonumber(arg[4]))
