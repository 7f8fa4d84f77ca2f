-- Where a reader goes, on the word of whoever knows how busy instances are: `pgha weigh SECONDS server=weight …` on the
-- runtime API. Two servers are drawn by their weights, and the one with fewer sessions for its weight is taken. Weights
-- alone would not do it: for `leastconn` a server without a session is as good as any, however small its weight.
-- The word holds for so long; without another, and where nobody drawn is up, connections alone decide.
local usage = "pgha weigh SECONDS server=weight …: where readers go, for so long"
local drawn, total, till = {}, 0, 0

core.register_cli({ "pgha", "weigh" }, usage, function(applet, ...)
    local servers = core.backends["ro"].servers
    local list, sum, seconds = {}, 0, nil
    -- the words of the command itself come first
    for _, word in ipairs({ ... }) do
        local name, weight = word:match("^([^=]+)=(%d+)$")
        if name and not servers[name] then
            applet:send(usage .. "; there is no server " .. name .. "\n")
            return
        end
        if name then
            list[#list + 1] = { name = name, weight = tonumber(weight), server = servers[name] }
            sum = sum + tonumber(weight)
        else
            seconds = tonumber(word) or seconds
        end
    end
    if seconds == nil or sum == 0 then
        applet:send(usage .. "\n")
        return
    end
    drawn, total, till = list, sum, core.now().sec + seconds
end)

local function draw()
    local at = math.random() * total
    for _, one in ipairs(drawn) do
        at = at - one.weight
        if at <= 0 then
            return one
        end
    end
    return drawn[#drawn]
end

core.register_fetches("least_busy", function()
    if core.now().sec >= till then
        return nil
    end
    local best, least
    -- some that are drawn may be down
    for _ = 1, 5 do
        local one = draw()
        local stats = one.server:get_stats()
        if stats.status:sub(1, 2) == "UP" then
            local load = (stats.scur + 1) / one.weight
            if best then
                return load < least and one.name or best
            end
            best, least = one.name, load
        end
    end
    return best
end)
