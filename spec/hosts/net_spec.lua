-- A cable that is cut: a host by ssh in a network of its own, a namespace that a pair of interfaces connects.
local script = require "support.script"
local sshd = require "support.sshd"

local is_linux = io.open "/proc/self/stat" ~= nil

-- Runs `use(name, address)` with a network whose end here can be taken down.
local function with_network(use)
  local name = ("mo%x"):format(math.random(1 << 40))
  local number = math.random(0, 16383)
  local net = ("10.213.%d.%%d"):format(number >> 6)
  local here, there = net:format((number & 63) * 4 + 1), net:format((number & 63) * 4 + 2)
  local commands = ([[
    ip netns add NAME && ip link add NAMEa type veth peer name NAMEb && ip link set NAMEb netns NAME &&
    ip addr add HERE/30 dev NAMEa && ip link set NAMEa up && ip -n NAME addr add THERE/30 dev NAMEb &&
    ip -n NAME link set NAMEb up && ip -n NAME link set lo up
  ]]):gsub("%u%u%u+", {NAME = name, HERE = here, THERE = there})
  local is_made = os.execute("(" .. commands .. ") 2>/dev/null")
  local ok, why = true, nil
  if is_made then ok, why = pcall(use, name, there) end
  os.execute(("kill $(ip netns pids %s) 2>/dev/null; ip netns del %s 2>/dev/null"):format(name, name))
  assert(ok, why)
  return is_made
end

describe("a host whose cable is cut #linux #unsanitized", function()
  if not is_linux or sshd.lack() or not with_network(function() end) then
    pending(sshd.lack() or "needs namespaces of the network")
    return
  end

  it("for a moment is not lost; for longer it is, without a result, and is used again when that is mended", function()
    with_network(function(name, address)
      sshd.with(function(launch)
        local result = script.passes([[
          local name, launch = ...
          local pool <close> = parallel.pool {hosts = {"near:1", "one:2", launch = launch}}
          local function set_cable(state) assert(os.execute(("ip -n %s link set %sb %s"):format(name, name, state))) end
          local function far() return pool:stats().hosts[2] end
          local function map(look)
            local results = pool:map(function(i) parallel.sleep(0.05) return {i} end, parallel.range(1, 60),
              {chunk = 1, progress = look})
            for i = 1, 60 do equal(results[i], {i}) end
          end
          local function map_until(is_so, what)
            local ends = parallel.clock() + 90
            repeat map() until is_so() or parallel.clock() > ends
            assert(is_so(), what)
          end

          map_until(function() return far().done > 0 end, "is there")
          local n_before = far().done
          local is_cut
          map(function(done)
            if done < 10 or is_cut then return end
            is_cut = true
            set_cable "down"
            os.execute(("(sleep 2; ip -n %s link set %sb up) &"):format(name, name))
          end)
          map_until(function() return far().done > n_before + 10 end, "goes on")
          equal(far().losses, 0)

          set_cable "down"
          map_until(function() return far().losses == 1 end, "is lost")
          parallel.sleep(3)
          n_before = far().done
          set_cable "up"
          map_until(function() return far().done > n_before end, "is used again")
          equal(far().losses, 1)
        ]], {args = {name, "[ {host} != near ] || exec {folder}/{moons}; " .. launch}, timeout = 280})
        assert(result.stderr:find("host 'one' was lost, and is started again", 1, true), result.stderr)
        assert(not result.stderr:find("is not used any more", 1, true), result.stderr)
      end, address, "ip netns exec " .. name)
      local count = ("[ $(ip netns pids %s | wc -l) = 0 ]"):format(name)
      local ended = os.execute(("for i in $(seq 200); do %s && exit 0; sleep 0.1; done; exit 1"):format(count))
      assert(ended, "something is left there")
    end)
  end)
end)
