-- A new connection waits here while no server of `rw` is up, at most so many milliseconds: between two primaries
-- a client is better held for a moment than sent away, to come again and again. HAProxy's queue does not do it,
-- because a connection without a server is refused before it is queued.
-- A balancer that has just started holds no client: it has not been told yet, and another balancer may know the primary.
local told = false
local function ms()
    local now = core.now()
    return now.sec * 1000 + now.usec / 1000
end

core.register_action("hold", { "tcp-req" }, function(txn)
    local till = ms() + {{limit}}
    while told and txn.f:nbsrv("rw") == 0 and ms() < till do
        core.msleep(5)
    end
    told = told or txn.f:nbsrv("rw") > 0
end)
