-- What wrk sends. Its argument is a file of Lua that answers a table:
--   method, body: the same for every request
--   path: a text in which %d, where there is one, is a number
--   first, last: the range of that number; once: each of them is used once, in turn, else drawn anew each time
--   tokens: one of them is drawn for each request
--   key: begins every Idempotency-Key, or nil for none
--   pause: milliseconds that a connection rests before each request, or nil
local plan, number, sent

function init(arguments)
    plan = dofile(arguments[1])
    math.randomseed(plan.seed)
    number, sent = plan.first, 0
end

function request()
    local path = plan.path
    if plan.once then
        if number > plan.last then
            wrk.thread:stop()
        end
        path = string.format(path, math.min(number, plan.last))
        number = number + 1
    elseif plan.first then
        path = string.format(path, math.random(plan.first, plan.last))
    end
    local headers = { ["Authorization"] = plan.tokens[math.random(#plan.tokens)] }
    if plan.body then
        headers["Content-Type"] = "application/json"
    end
    if plan.key then
        sent = sent + 1
        headers["Idempotency-Key"] = plan.key .. sent
    end
    return wrk.format(plan.method, path, headers, plan.body)
end

-- Around the pause, so that the connections do not go in step.
function delay()
    return plan and plan.pause and math.random(0, 2 * plan.pause) or 0
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '\n@{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50": %.3f, "p99": %.3f, "max": %.3f}\n',
        summary.requests, summary.duration / 1e6, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
