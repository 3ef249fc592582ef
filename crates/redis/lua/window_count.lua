-- Counts one request of a caller in a sliding span of sixty steps, or says that its quota is used up: the window of
-- crates/edge/src/rate_limit/window.rs, kept where every node sees it.
--
-- KEYS[1]  the caller's window: a hash of counts by step, and in it u (sum of the counts), o (oldest step that has
--          one) and n (newest).
-- ARGV[1]  the quota.
-- ARGV[2]  seconds of a step: 1 for a minute, 60 for an hour.
-- Returns  whether it is allowed (1 or 0), requests that count now, milliseconds until the oldest stops counting.
--
-- A request counts until its whole step is older than the span: never too short, so the quota holds in every span, and at
-- most a step too long. The clock is this server's, so the nodes' own may differ. At most 64 small
-- fields whatever the quota; the key lives as long as its newest step counts. Needs Redis 5 (a script that writes
-- after it asked for the time).
local SPAN = 60
local key, quota, step = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local clock = math.floor(tonumber(time[1]) / step)
local now = clock
local state = redis.call('HMGET', key, 'u', 'o', 'n')
local used, oldest, newest = tonumber(state[1]) or 0, tonumber(state[2]) or now, tonumber(state[3]) or now
local changed = false

-- A clock that steps back (another server took over) counts into the newest step; one that is far behind starts anew,
-- because nobody could say when that step will be over.
if now < newest then
    if newest - now > SPAN then
        redis.call('DEL', key)
        used, oldest, newest = 0, now, now
    else
        now = newest
    end
end

local first = now - SPAN
if newest < first then
    redis.call('DEL', key)
    used, oldest = 0, now
elseif oldest < first then
    local seconds = {}
    for second = oldest, newest do
        seconds[#seconds + 1] = second
    end
    local counts = redis.call('HMGET', key, unpack(seconds))
    local gone = {}
    for index, second in ipairs(seconds) do
        local count = tonumber(counts[index] or 0)
        if count > 0 then
            if second >= first then
                oldest = second
                break
            end
            used = used - count
            gone[#gone + 1] = second
        end
    end
    if #gone > 0 then
        redis.call('HDEL', key, unpack(gone))
    end
    changed = true
end

local allowed = used < quota
if allowed then
    used = used + 1
    newest = now
    redis.call('HINCRBY', key, now, 1)
    changed = true
end
if changed then
    redis.call('HSET', key, 'u', used, 'o', oldest, 'n', newest)
    redis.call('EXPIRE', key, (newest - clock + SPAN + 1) * step)
end
local reset = ((oldest + SPAN + 1) * step - tonumber(time[1])) * 1000 - math.floor(tonumber(time[2]) / 1000)
return { allowed and 1 or 0, used, reset }
