--- What scripts begin with that expect errors: `refused(expected, f, ...)` calls f, whose error must contain the text
-- `expected`, and returns that error.
-- @module array.refused

return [==[
  local function refused(expected, f, ...)
    local ok, err = pcall(f, ...)
    assert(not ok, "no error: " .. expected)
    assert(tostring(err):find(expected, 1, true), tostring(err))
    return err
  end
]==]
