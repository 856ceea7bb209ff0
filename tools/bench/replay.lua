-- Hands wrk the requests of a file, in order and over and over, and reports as one line of JSON.
-- In a text that has SERIAL (see workloads.py), a number takes its place that is never twice the same.
local SERIAL = "#######"
local texts
local at = 0
local serial = os.time() % 1000 * 10000

function init(arguments)
  texts = dofile(arguments[1])
end

function request()
  at = at % #texts + 1
  local text = texts[at]
  local place = text:find(SERIAL, 1, true)
  if not place then
    return text
  end
  serial = (serial + 1) % 10000000
  return text:sub(1, place - 1) .. string.format("%07d", serial) .. text:sub(place + #SERIAL)
end

function done(summary, latency, _)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "errors": %d, "p50": %.4f, "p95": %.4f, "p99": %.4f}\n',
    summary.requests, summary.duration / 1e6, failed,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3
  ))
end
