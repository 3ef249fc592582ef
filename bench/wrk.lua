-- Sends the messages of a file in turn and prints what was measured as one line of JSON.
-- Nothing is computed for a request here: the load generator must cost as little as it can.
local messages, at = {}, 0

function init(arguments)
    local file = assert(io.open(arguments[1], "rb"))
    while true do
        local length = file:read("*n")
        if not length then break end
        file:read(1)
        messages[#messages + 1] = file:read(length)
    end
    file:close()
end

function request()
    at = at % #messages + 1
    return messages[at]
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '\nmeasured {"requests":%d,"us":%d,"bytes":%d,"p50":%d,"p99":%d,"p999":%d,"most":%d,"refused":%d,"broken":%d}\n',
        summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
        latency:percentile(99.9), latency.max,
        e.status, e.connect + e.read + e.write + e.timeout))
end
