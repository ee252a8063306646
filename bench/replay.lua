-- What wrk runs: each thread sends its own slice of ready-made requests, every one once.
-- Arguments: the slices' common prefix, and the length of a request in bytes.

local thread_count = 0
local threads = {}

function setup(thread)
   thread:set("slice_no", thread_count)
   thread_count = thread_count + 1
   table.insert(threads, thread)
end

function init(args)
   slice = assert(io.open(args[1] .. "." .. slice_no, "rb"))
   length = tonumber(args[2])
   exhausted = 0
end

function request()
   local message = slice:read(length)
   if message then
      return message
   end
   exhausted = 1
   wrk.thread:stop()
   return "GET /livez HTTP/1.1\r\nHost: none\r\n\r\n"
end

function done(summary, latency, requests)
   local exhausted_count = 0
   for _, thread in ipairs(threads) do
      exhausted_count = exhausted_count + thread:get("exhausted")
   end
   local errors = summary.errors
   print(string.format(
      'RESULT {"answers": %d, "duration_us": %d, "exhausted": %d, "refused": %d, "broken": %d, '
         .. '"late": %d, "p50_us": %d, "p95_us": %d, "p99_us": %d, "p999_us": %d}',
      summary.requests, summary.duration, exhausted_count, errors.status,
      errors.connect + errors.read + errors.write, errors.timeout,
      latency:percentile(50), latency:percentile(95), latency:percentile(99),
      latency:percentile(99.9)))
end
