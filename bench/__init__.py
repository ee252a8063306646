"""Benchmarks: one question a file, a shared harness, results kept with the machine they are from.

harness      rounds in turn, medians and spread, ratios within a round, the results file
machine      what the figures were made on: processor, disk, versions, settings
stage        one Postgres, one city of wallets and merchants, and what must hold after each turn
city         that city, founded through the ledger's own functions
requests     payments and look-ups signed beforehand, as the bytes that go over the wire
wrk          sends payments in closed loop, each once, and accounts for every answer
open_loop    sends requests when they are due, however late the answers come
kept         verifies a sample of the answers when the clock has stopped
phase        some seconds of payments in open loop, accounted for
bank         banks: one that decides at once, one whose server hangs until it is let go
pairs        two ways of one thing compared: ratios, their median and its bound
sweep        one question at many points
report       the page of all results, report.css how it looks
plot         its plots
beside       what stands beside the switch: a database and servers of their own
naive_server a server that does each payment in a transaction of its own

tpcb                 how fast is pgbench's TPC-B on this machine?         the yardstick
http_uniform         how many signed payments a second over HTTP?
http_one_merchant    and if every payment goes to one merchant?
function             how many does the deciding function take by itself?
floors               what does nobody get below? curve, HTTP, a bare commit
naive                how fast is one transaction a request?                a second yardstick
batches              how many payments a second in batches of 10, 100, 1,000?
holds                how many a second, held first and captured later?
bank_routed          and if the payer's bank holds the money itself and decides?
http_grid            how does that grow with workers and connections, where does time go?
ledger               how many does the deciding function take, in small batches and on hot accounts?
curve                how long does a payment take, from idle to overload?
growth               is it as fast and as lean with ten million payments stored?
memory               how much memory does a worker hold, and does it grow?
storm                do payments go on while everybody asks how they stand?
outage               do all others pay on while a bank hangs?
overload             what is left when twice as much comes, and when one participant floods?

Results are kept in `results/`, a file a run. `python -m bench --report` makes `report.html` of
them, which is not kept: it holds nothing that is not in the results.
"""
