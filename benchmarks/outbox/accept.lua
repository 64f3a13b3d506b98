-- wrk: every request is a message of its own. Arguments: token, text, HTML, all as JSON strings where they go.
local token, head, tail
local number = 0
local offset = 0
local threads = 0

function setup(thread)
  thread:set("offset", threads * 1000000000)
  threads = threads + 1
end

function init(args)
  token = args[1]
  local file = assert(io.open(args[2]))
  local whole = file:read("*a")
  file:close()
  head, tail = whole:match("^(.*)NUMBER(.*)$")
  wrk.headers["Authorization"] = "Bearer " .. token
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  number = number + 1
  return wrk.format("POST", "/v1/messages", nil, head .. (offset + number) .. tail)
end

function done(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.timeout
  io.write(string.format('RESULT {"requests": %d, "seconds": %f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, failed))
end
