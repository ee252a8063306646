"""Every bound of the switch, with its unit and its reason; their relations are asserted here."""

# One message.
BODY_BYTES_MAX = 64 * 1024  # a payment is under 2 KiB; the rest is room for signatures of proxies
BATCH_BODY_BYTES_MAX = 1024 * 1024  # a participant's batch; some 300 bytes a payment are usual
BATCH_PAYMENTS_MAX = 1_000  # in a participant's batch; four full calls of the deciding function
BODY_READ_TIMEOUT_S = 10.0  # from the first header to the last byte; a slow body holds a connection
ANSWER_WRITE_TIMEOUT_S = 10.0  # a caller that does not read its answers holds a connection
UNREAD_S_MAX = 30.0  # bytes of an answer that the caller's machine does not take
LINGERING_S = 2.0  # reading on after a refusal, so that the caller reads it
HEADER_LINE_BYTES_MAX = 8 * 1024  # one signature is under 1 KiB; proxies add theirs
AUTHORITY_CHARS_MAX = 260  # a host name and a port
HEADERS_MAX = 64  # the common form has eight
HEAD_READ_TIMEOUT_S = 10.0  # from the first byte of a request to the end of its head
PIPELINED_REQUESTS_MAX = 16  # read and not served, of one connection; the rest waits in the kernel
READ_BUFFER_BYTES = 64 * 1024  # of a body that nobody takes yet, before reading stops
CONNECTIONS_LOOK_S = 1.0  # how often connections are searched for those that wait too long
KEEPALIVE_TIMEOUT_S = 75.0  # longer than the 60 s of usual proxies, so that they close first
AMOUNT_MIN = 1  # minor units
AMOUNT_MAX = 10**15  # minor units; a thousand such amounts still fit a bigint
HOLD_SECONDS_MIN = 60
HOLD_SECONDS_MAX = 30 * 86_400
HOLD_SECONDS_DEFAULT = 7 * 86_400
IDEMPOTENCY_KEY_CHARS_MAX = 64
REFERENCE_CHARS_MAX = 64
PAYEE_REFERENCE_CHARS_MAX = 34  # an IBAN
DESCRIPTION_CHARS_MAX = 140
METADATA_PAIRS_MAX = 10
METADATA_KEY_CHARS_MAX = 40
METADATA_VALUE_CHARS_MAX = 200
TIER_NAME_CHARS_MAX = 32
MANDATE_PURPOSE_CHARS_MAX = 64  # as a reference
MANDATE_USES_MAX = 1_000_000  # payments; five hundred a day of the longest validity
MANDATE_VALIDITY_D_MAX = 1_827  # days: five years with two leap days; then it is asked for anew
DETAIL_CHARS_MAX = 300  # what a problem says; it may quote the message, never all of it
QUERY_PARAMETERS_MAX = 16  # the longest list of them has seven
YEAR_MIN = 1970  # of a time in a message or a query; what is meant lies within
YEAR_MAX = 9000

# Signatures.
SIGNATURE_AGE_S_MAX = 300  # how old `created` may be
SIGNATURE_AHEAD_S_MAX = 60  # how far the sender's clock may be ahead
SIGNATURE_FIELD_BYTES_MAX = (
    4 * 1024
)  # all lines of one structured field; each byte costs about 1 µs
SIGNATURES_MAX = 8  # on one message: the sender's and those of a few proxies
COVERED_COMPONENTS_MAX = 32  # of one signature; the common form has five
COMMON_FORMS_MAX = 256  # lists of covered components that are remembered; a client has one or two
COMMON_INPUTS_MAX = 512  # lines of Signature-Input that are; each busy key has a new one a second
KEY_FILE_BYTES_MAX = 16 * 1024  # a PEM file has 120 bytes; text around the key is allowed
JWS_CHARS_MAX = 4 * 1024  # a receipt has about 1,000
KEY_NAME_CHARS_MAX = 64  # the part of a key id that its participant chooses
PARTICIPANT_KEYS_MAX = 32  # not at their end, of one participant; every worker holds all of them
VERIFIED_KEYS_MAX = 4_096  # of which a process remembers that they are points of the main group
PUBLISHED_KEYS_MAX = 1_000  # in one JWK set; ten years of weekly rotation fit
JWKS_BYTES_MAX = 512 * 1024  # a set of so many keys has 200 KiB
JWKS_AGE_S_MAX = 60  # how long caches keep the switch's published keys
FAILED_SIGNATURES_BURST = 50  # failures of one peer and key id before the pair is exhausted
FAILED_SIGNATURES_PER_S = 10.0  # refilled at this rate
SPARE_VERIFICATIONS_PER_S = 1_000.0  # of all exhausted pairs, per worker; some 10 % of a processor
SPARE_VERIFICATIONS_BURST = 100.0  # of which: at once
FAILED_SIGNATURE_ENTRIES_MAX = (
    10_000  # (peer, key id) pairs remembered; the least recent is forgotten
)

# Participants' snapshot.
PARTICIPANTS_POLL_S = 0.25  # a revoked key must be refused within one second
PARTICIPANTS_QUERY_TIMEOUT_S = 0.5  # a half-open connection is silent; give up and connect anew
PARTICIPANTS_READ_TIMEOUT_S = 1.5  # reading all of them anew; the old snapshot serves meanwhile
PARTICIPANTS_TRUST_S = 2.0  # an unconfirmed snapshot is not trusted for longer
PARTICIPANTS_RECONNECT_S = 0.2  # pause between two attempts to connect

# What is told of keys.
KEY_USES_INTERVAL_S = 60.0  # between two writes of when keys last signed; coarse is fine
KEY_USES_WRITE_MAX = 1_000  # keys in one statement

# The way to the ledger.
LANE_COUNT = 1  # connections of one worker that decide payments; one makes larger batches
LANE_COUNT_MAX = 16
GC_NEW_OBJECTS = 10_000  # before a search for cycles among them; Python's own choice is 700
LANE_QUEUE_MAX = 4096  # messages waiting for one lane, those of eight large batches included
PARTICIPANT_IN_FLIGHT_MAX = 1024  # accepted and unanswered messages of one participant, per worker
PAYMENT_WAIT_S_MEAN = 0.1  # of payments that were taken on, until they are decided
PAYMENTS_ROOM_MAX = 1_024  # of them at a time, per worker, while they are decided sooner
PAYMENTS_ROOM_MIN = 256  # and however slow it is: what one transaction decides at most
PAYMENTS_ROOM_WINDOW_S = 0.1  # between two changes
PAYMENTS_ROOM_GROWTH = 0.1  # of itself, in a window in which somebody was refused
BATCH_WINDOW_PAYMENTS = 256  # of one participant's batch at a time; more would only wait in a lane
BATCHES_IN_FLIGHT_MAX = 6  # of all participants, per worker, body to answer; 8 MiB each at most
PARTICIPANT_BATCHES_IN_FLIGHT_MAX = 4  # of which: of one participant
BATCH_SENDING_S_MAX = 2.0  # payments of a batch that are not on their way by then are refused
QUEUE_LOOK_S = 0.25  # how often a queue is searched for what waited too long
QUEUE_WAIT_S_MAX = 3.0  # a message waits this long for a broken link, then it is refused undecided
TWIN_WAIT_S_MAX = 12.0  # waiting for the same key in flight; longer than any batch can take
LANE_BACKOFF_S_MIN = 0.05
LANE_BACKOFF_S_MAX = 1.0
WORKER_CONNECTIONS_MAX = 4096  # open connections of participants, per worker
READ_CONNECTIONS_MAX = 4  # connections of one worker for look-ups and account operations
READS_IN_FLIGHT_MAX = 256  # look-ups and account operations, waiting for a connection included
PARTICIPANT_READS_IN_FLIGHT_MAX = 64  # of which: of one participant
READS_PER_S = 60.0  # look-ups of one key from one address, per worker, unless told
READS_PER_S_MAX = 1e6
PARTICIPANT_READS_FACTOR = 2.0  # and so many times that of one participant's keys together
RATE_ENTRIES_MAX = 10_000  # senders remembered; the least recent is forgotten
READ_TIMEOUT_S = 3.0  # one look-up, waiting for others and for a connection included
LOOK_UPS_WAITING_MAX = 256  # while payments go first, per worker: some tenths of a second
QUESTIONS_GATHERED_MAX = 256  # look-ups of a kind in one statement, the last page of events whole
QUESTIONS_INTERVAL_S = 0.01  # between two of these: whoever follows them may ask more rarely anyway
EVENT_WAIT_S_MAX = 30  # a caller may wait this long for the next event
EVENT_LOOK_S = 0.2  # how often a worker asks, once for all who wait
EVENT_WAITERS_MAX = 1_024  # callers waiting for events, per worker
PARTICIPANT_EVENT_WAITERS_MAX = 8  # of which: of one participant
BANK_WAIT_S = 5.0  # a caller waits for a bank's decision, unless told; then it is `pending`
BANK_WAIT_S_MAX = 30.0  # beyond it callers' own time-outs come first
BANK_LOOK_S = 0.05  # how often a worker asks, once for all who wait for banks
BANK_WAITERS_MAX = 2_048  # messages waiting for banks, per worker; a look reads as many index pages
PARTICIPANT_BANK_WAITERS_MAX = 1_024  # of which: of one participant; a whole batch fits
BATCHES_WAITING_MAX = 4  # of those in flight: for banks; the others go on
PARTICIPANT_BATCHES_WAITING_MAX = 2  # of which: of one participant
RETRY_AFTER_S = 1  # what a refusal for overload asks for
DRAIN_S = 10.0  # from SIGTERM to exit
SHUTDOWN_S_MAX = 0.3  # for connections to end once all is answered
SHUTDOWN_LOOK_S = 0.02  # how often they are looked at then
LISTEN_BACKLOG = 1024  # connections the kernel keeps until a worker takes them
METRICS_FLUSH_S = 0.25  # how often what was counted in memory is handed over
PARTICIPANT_LABELS_MAX = 200  # in metrics, the first that were let in; the others share one
DRAIN_ANSWERS_S_MAX = 9.0  # of which: for answering what was accepted

# Processes.
WORKERS_MAX = 64  # each holds a handful of database connections
WORKERS_DEFAULT_MAX = 8  # beyond it the database is the bottleneck
DESCRIPTORS_BESIDE_CONNECTIONS = 128  # of one worker: database, metrics, pipes
CONFIG_BYTES_MAX = 64 * 1024  # the one line a child is told
CHILD_READY_S_MAX = 30.0  # from its start until a child says that it serves
CHILD_SETTLED_S = 30.0  # a child that lived this long was healthy: its death starts no back-off
RESTART_PAUSE_S_MIN = 0.1  # a dead child is replaced at once, then after this, doubled each time
RESTART_PAUSE_S_MAX = 5.0
REPORT_INTERVAL_S = 1.0  # how often a child says that it is alive
REPORT_LOOK_S = 0.1  # how soon a change of its readiness is reported
DRAIN_KILL_S = 9.5  # from SIGTERM until the supervisor ends by force what is left
SILENCE_S_MAX = 3.0  # a child that said nothing for this long does not count as ready
HUNG_LAST_LOOK_S = 2.0  # for what a child has said while its supervisor stood still
HUNG_S_MAX = 30.0  # and after this long it is ended and replaced

# The operator.
KEY_VALIDITY_D = 400  # of a participant's key, unless told: a year and time to change it
KEY_VALIDITY_D_MAX = 3660  # the most that the operator may let participants introduce keys for
SWITCH_KEY_VALIDITY_D = 1826  # of the switch's own key, unless told: five years
SWITCH_KEY_LEAD_S = 300  # a new key is published before it signs: caches and clocks are late
SWITCH_KEY_MARGIN_S = 5.0  # before its end a key of the switch is left alone
KEY_ENDS_SOON_D = 30  # `switch status` names keys that end within
STATUS_WAIT_S = 2.0  # for the supervisor on this machine to say how its processes are
SWITCH_KEYS_PER_DAY_MAX = 99  # names made of a day and a number

PIPE_COLUMNS = 1_000  # of a table that is not printed to a terminal

# The demo city.
DEMO_WALLETS = 1_000
DEMO_SENDERS = 32  # messages under way at a time; two processors are busy with them
DEMO_BANK_SENDERS = 4  # beside them, of payments that a bank decides: a few in a hundred
DEMO_TRAFFIC_S = 10.0  # before it settles down to serving
DEMO_LATENCIES_MAX = 100_000  # the latest, for the table and the summary
DEMO_SURPRISES_MAX = 20  # told one by one
DEMO_SCENE_S_MAX = 30.0  # one scene of the day; most take a second
DEMO_LOOK_S = 0.25  # between two pictures of the table
DEMO_LOOKS_PER_BALANCE = 4  # balances are asked for once a second
DEMO_SETTLE_S_MAX = 40.0  # until nothing waits for the bank any more

# Jobs.
# A payee's statement is late by the time between two rounds; its balance never is. Many credits a
# second are added up in longer rounds, so that each posting has more of them.
FOLD_INTERVAL_S = 1.0
FOLD_INTERVAL_S_MAX = 4.0
FOLD_CREDITS_PER_S = 1_000  # of the last round: how much longer the next may be waited for
FOLD_SIZE_MAX = 2_000  # credits in one transaction: about 20 ms of locks and of a processor
FOLD_PAUSE_S = 0.01  # between two of them
EVENT_INTERVAL_S = 0.1  # how long an event waits for its number, about
EVENT_RUN_MAX = 2_000  # numbered in one transaction; a run of a feed is read as a whole
EVENT_RETENTION_D = 90  # unless told
EVENT_RETENTION_D_MAX = 3_650
EVENT_PRUNE_INTERVAL_S = 600.0
EVENT_PRUNE_MAX = 1_000  # runs forgotten in one transaction
DELIVERY_LOOK_S = 0.2  # how soon a new event is pushed, about
DELIVERY_SIZE_MAX = 64  # events of one participant in one turn; so many are repeated after a crash
DELIVERIES_AT_ONCE_MAX = 16  # new events under way to one participant
RETRIES_AT_ONCE_MAX = 2  # beside them, of those that were not taken before
DELIVERIES_IN_FLIGHT_MAX = 1_024  # to all participants; each holds a connection
DELIVERY_WAITING_MAX = 1_000  # not taken, of one participant; then its feed is not read on
DELIVERY_S_MAX = 86_400.0  # from an event's first attempt until it is dead, unless told
DELIVERY_PAUSE_S_MIN = 1.0  # after an event's first failure, doubled each time
DELIVERY_PAUSE_S_MAX = 3_600.0
RECEIVER_FAILURES_MAX = 5  # in a row; then a receiver gets one event at a time, after a pause
RECEIVER_PAUSE_S_MIN = 1.0  # doubled with each failure
RECEIVER_PAUSE_S_MAX = 60.0  # how soon a receiver that is back is noticed
DELIVERY_CONNECTIONS_MAX = 4  # to the database, for turns
DELIVERY_BACKLOG_INTERVAL_S = 5.0  # how often events that wait and dead ones are counted
SWITCH_KEYS_LOOK_S = 1.0  # how soon the delivery process signs with a new key
DEAD_EVENTS_LISTED_MAX = 1_000  # by `switch event dead`, the oldest first
EXPIRY_INTERVAL_S = 1.0  # how late an expired hold is posted; it is expired all the same
EXPIRY_SIZE_MAX = 500  # holds in one transaction, each a few updates
CLOSING_INTERVAL_S = 1.0  # how soon a closing account is looked at again
BOOKS_CHECK_INTERVAL_S = 600.0  # it reads everything once; an alarm after ten minutes is enough
BOOKS_CHECK_S_MAX = 3600.0  # one check of a full ledger; it holds a snapshot open
BOOKS_LOOK_S = 30.0  # how soon it is seen that somebody else has checked them
DEVIATIONS_LOGGED_MAX = 20  # of one check; `switch check-books` lists all
BACKLOG_INTERVAL_S = 1.0  # how often the unfolded credits are counted
JOB_LOCK_LOOK_S = 2.0  # how soon a second jobs process takes over
JOB_PAUSE_S_MIN = 0.1  # after a failure, doubled each time
JOB_PAUSE_S_MAX = 5.0

# Purses and coupons.
FUND_NAME_CHARS_MAX = 64  # of a purpose or a campaign, for people
FUND_PLACES_MAX = 64  # categories or districts of one
DISTRICT_CHARS_MAX = 32
COUPON_USES_MAX = 1_000  # of one wallet's coupon
CAMPAIGN_COUPONS_MAX = 100_000_000  # more than a city has people
SWEEP_INTERVAL_S = 60.0  # how soon what is left in an ended purse goes back, and 5 minutes
SWEEP_SIZE_MAX = 200  # purses and campaigns in one transaction

# Calls of participants' servers.
BANK_REASON_CHARS_MAX = 140  # what a bank says about its decision, as long as a description
BANK_DEADLINE_S = 30.0  # until when a bank may answer an authorization, unless told
BANK_DEADLINE_S_MIN = 1.0
BANK_DEADLINE_S_MAX = 300.0  # time for a customer to confirm; the money is reserved meanwhile
BANK_ATTEMPT_S_MAX = 15.0  # of which: one attempt, so that a dead connection leaves time for two
BANK_RETRY_S_MIN = 0.1  # before an authorization is tried again, doubled each time
BANK_RETRY_S_MAX = 2.0
BANK_REPEAT_S_MIN = 1.0  # before a credit or reversal is tried again, doubled each time
BANK_REPEAT_S_MAX = 300.0
BANK_CALLS_MAX = 100  # under way to one bank, and payments that wait for its authorization
BANK_CALLS_IN_FLIGHT_MAX = 2_000  # under way to all banks; each holds a connection
BANK_FAILURES_MAX = 5  # in a row; then a bank is down: declined for at once, tried with one call
BANK_PAUSE_S_MIN = 1.0  # until then, doubled with each failure
BANK_PAUSE_S_MAX = 60.0  # how soon a bank that is back is noticed
BANK_START_MAX = 256  # payments begun, and calls taken, in one transaction
BANK_START_INTERVAL_S = 0.015  # how soon a bank is asked, about, while others are
BANK_IDLE_INTERVAL_S = 0.1  # and when none was asked for a while
BANK_QUIET_S = 2.0  # which is so long
BANK_SETTLE_MAX = 256  # answers in one transaction
BANK_SETTLE_PAUSE_S = 0.1  # after a failure to record one
BANK_CONNECTIONS_MAX = 1  # to the database, for recording answers; one makes larger batches
BANK_TIME_OUT_INTERVAL_S = 0.25  # how late a time-out may be
BANK_TIME_OUTS_MAX = 256  # in one transaction
BANK_CALLS_LISTED_MAX = 1_000  # by `switch bank calls`, those that have waited longest first
BANK_BACKLOG_INTERVAL_S = 1.0  # how often what waits for banks is counted
CALLBACK_TIMEOUT_S = 10.0  # from looking up the name to the last byte of the answer
CALLBACK_ANSWER_BYTES_MAX = 64 * 1024  # what the switch takes in is bounded as what it sends
CALLBACK_WIRE_BYTES_MAX = 128 * 1024  # the same with heads, interim answers, framing of chunks
CALLBACK_KEEPALIVE_S = 4.0  # shorter than the 5 s of the most impatient servers
PARTICIPANT_RESOLVERS_MAX = 2  # names looked up at a time for one: a new URL's beside the old one's
CALLBACK_RESOLVERS_MAX = 512  # for all; a thread each, made when it is needed
CALLBACK_URL_CHARS_MAX = 2_048

# The ledger.
BATCH_SIZE_MAX = 256  # one call of the deciding function; a commit is amortised by then
GATHER_QUIET_TURNS = 2  # of the event loop: from bytes on a socket to a message in the queue
GATHER_TURNS_MAX = 64  # before a batch leaves all the same
AUTHORIZE_RETRIES_MAX = 5  # deadlocks and serialisation failures of one batch
STATEMENT_TIMEOUT_S = 5.0  # the server gives a statement up, and its locks
STATEMENT_WAIT_S = 8.0  # the client gives the server up: outcome unknown
CONNECT_TIMEOUT_S = 5.0
MIGRATE_S_MAX = 3600.0  # a step may rebuild a large table
PAGE_SIZE_MAX = 200  # rows of one list
PAGE_SIZE_DEFAULT = 50
TIMELINE_MESSAGES_MAX = 500  # a payment and its steps in one timeline; most have three
TIMELINE_RUNS_MAX = 200  # of a feed after a decision, some 20 s of a busy one, read for its event

# The client library.
CLIENT_DEADLINE_S = 60.0  # one call with all its attempts
CLIENT_ATTEMPT_TIMEOUT_S = 20.0  # longer than the switch takes for its own last word
CLIENT_EVENT_WAIT_S_MAX = 10  # of one attempt, within the time it has
CLIENT_PENDING_PAUSE_S = 1.0  # between two repeats of what a bank decides, which wait themselves
CLIENT_ATTEMPTS_MAX = 100  # of one call; the deadline comes first
CLIENT_BACKOFF_S_MIN = 0.05
CLIENT_BACKOFF_S_MAX = 2.0
CLIENT_UNSIGNED_REFUSALS_S = 2.0  # a key just registered is known everywhere within a second
CLIENT_KEYS_REFETCH_S = 10.0  # between two look-ups of the switch's published keys
CLIENT_CONNECTIONS_MAX = 64
CLIENT_ANSWER_BYTES_MAX = 4 * 1024 * 1024  # a full page of entries has 150 KiB

# Participants' servers that are simulated, or tried.
SIMULATED_LATENCY_MS_MAX = 600_000  # whoever waits has given up long before
SIMULATED_RATE_MAX = 1_000.0  # messages a second that one simulated participant sends
SIMULATED_RATE = 5.0  # unless told: a person can follow it
SIMULATED_IN_FLIGHT_MAX = 64  # messages under way at a time; what is more is left out
SIMULATED_TODO_MAX = 10_000  # payments that a merchant remembers to see to; the latest are left out
SIMULATED_WALLETS = 20  # that a simulated wallet provider opens, unless told
SIMULATED_WALLETS_MAX = 100_000
SIMULATED_LOOK_S = 1.0  # between two lines that tell how it goes
CONFORMANCE_ATTEMPTS_MAX = 3  # of one request, where the switch would ask again
CONFORMANCE_PAUSE_S = 0.2  # between two of them
CONFORMANCE_TWINS = 8  # of one request, side by side
CONFORMANCE_NEW_KEY_S_MAX = 75.0  # until a new key of the switch is believed, caches and all
CONFORMANCE_NEW_KEY_PAUSE_S = 1.0  # between two looks whether it is
CONFORMANCE_QUOTED_BYTES = 200  # of an answer, in a report

assert STATEMENT_WAIT_S > STATEMENT_TIMEOUT_S, "the server must give up before the client does"
assert TWIN_WAIT_S_MAX > STATEMENT_WAIT_S + QUEUE_WAIT_S_MAX, "a twin outlasts what it waits for"
assert LANE_QUEUE_MAX >= BATCH_SIZE_MAX, "a queue holds at least one full batch"
assert PAYMENTS_ROOM_MIN >= BATCH_SIZE_MAX, "there is room for a full batch"
assert PARTICIPANT_IN_FLIGHT_MAX <= LANE_QUEUE_MAX, "one participant cannot fill a lane alone"
assert PARTICIPANT_BATCHES_IN_FLIGHT_MAX < BATCHES_IN_FLIGHT_MAX, "one sender leaves room"
assert BATCHES_WAITING_MAX < BATCHES_IN_FLIGHT_MAX, "batches that wait for banks leave room"
assert PARTICIPANT_BANK_WAITERS_MAX >= BATCH_PAYMENTS_MAX, "a batch may wait as a whole"
assert BATCHES_IN_FLIGHT_MAX * BATCH_WINDOW_PAYMENTS + PAYMENTS_ROOM_MAX <= LANE_QUEUE_MAX, (
    "batches leave room in a lane"
)
assert PARTICIPANTS_POLL_S + PARTICIPANTS_QUERY_TIMEOUT_S < 1.0, "a revoked key stops within 1 s"
assert PARTICIPANTS_QUERY_TIMEOUT_S < PARTICIPANTS_TRUST_S, "a poll may fail once without alarm"
assert SWITCH_KEY_LEAD_S > JWKS_AGE_S_MAX + PARTICIPANTS_TRUST_S + 2 * SIGNATURE_AHEAD_S_MAX, (
    "everybody has read a new key of the switch before it signs, whatever the clocks"
)
assert SWITCH_KEY_MARGIN_S > PARTICIPANTS_TRUST_S + 1.0, "published ends are whole seconds"
assert 1 / QUESTIONS_INTERVAL_S > READS_PER_S, (
    "who looks up one thing after the other is not slowed"
)
assert PARTICIPANT_READS_IN_FLIGHT_MAX < READS_IN_FLIGHT_MAX, "one reader leaves room for others"
assert DRAIN_ANSWERS_S_MAX < DRAIN_KILL_S < DRAIN_S, "there is time left to close connections"
assert METADATA_PAIRS_MAX * (METADATA_KEY_CHARS_MAX + METADATA_VALUE_CHARS_MAX) * 6 < BODY_BYTES_MAX
assert DELIVERIES_AT_ONCE_MAX + RETRIES_AT_ONCE_MAX < DELIVERIES_IN_FLIGHT_MAX
assert CALLBACK_WIRE_BYTES_MAX >= CALLBACK_ANSWER_BYTES_MAX + HEADERS_MAX * 1024, "a head has room"
assert BANK_DEADLINE_S_MIN <= BANK_DEADLINE_S <= BANK_DEADLINE_S_MAX
assert 2 * BANK_ATTEMPT_S_MAX <= BANK_DEADLINE_S, "an authorization can be tried twice"
assert DEMO_SETTLE_S_MAX > BANK_DEADLINE_S, "what the demo's bank leaves open is decided by then"
assert DEMO_BANK_SENDERS < BANK_CALLS_MAX, "the demo's bank is never asked too much"
assert BANK_CALLS_MAX < BANK_CALLS_IN_FLIGHT_MAX, "a bank that hangs leaves room for others"
assert 64 * PARTICIPANT_RESOLVERS_MAX < CALLBACK_RESOLVERS_MAX, "so do dozens whose names hang"
assert CONFORMANCE_NEW_KEY_S_MAX > JWKS_AGE_S_MAX + CLIENT_KEYS_REFETCH_S, "no cache is too slow"
assert CONFORMANCE_NEW_KEY_S_MAX < SWITCH_KEY_LEAD_S, "the switch waits longer"
assert REPORT_INTERVAL_S + REPORT_LOOK_S < SILENCE_S_MAX < HUNG_S_MAX, "a live child is not silent"

# The embedded database.
EMBEDDED_START_WAIT_S = 300.0  # after a crash Postgres may have to read max_wal_size of log
EMBEDDED_STOP_WAIT_S = 60.0  # for the last user, until Postgres has stopped
EMBEDDED_POLL_S = 0.05  # how soon a waiting user, and the keeper, see a change
EMBEDDED_WATCH_S = 1.0  # how soon a user replaces a keeper that was killed
EMBEDDED_SPAWN_S = 30.0  # the keeper's Python starts in 0.1 s on an idle machine
EMBEDDED_TRIAL_S = 10.0  # `postgres --version`, `true` in a namespace
EMBEDDED_MAKE_S = 120.0  # initdb takes 1 s on a disk that is not busy
EMBEDDED_FAST_STOP_S = 30.0  # one checkpoint of all shared buffers
EMBEDDED_IMMEDIATE_STOP_S = 5.0  # Postgres only has to end its children
EMBEDDED_DRAIN_S = 15.0  # a keeper told to end lets its users answer what they accepted first
EMBEDDED_STARTS_MAX = 5  # failures in a row; then the cause is not a passing one
EMBEDDED_PAUSE_S_MIN = 0.1  # before Postgres is started again, doubled each time
EMBEDDED_PAUSE_S_MAX = 5.0
EMBEDDED_LONG_LIFE_S = 10.0  # a Postgres that lived this long is started again at once
EMBEDDED_LOG_BYTES_MAX = 8 * 1024 * 1024  # twice on disk: the older part is kept beside it
EMBEDDED_SOCKET_DIR_BYTES_MAX = 89  # a socket's path has 107 bytes on Linux, its name 14 with room

assert EMBEDDED_STOP_WAIT_S > EMBEDDED_FAST_STOP_S + 2 * EMBEDDED_IMMEDIATE_STOP_S
assert EMBEDDED_DRAIN_S > DRAIN_S, "workers finish before their database stops"
assert CLIENT_ATTEMPT_TIMEOUT_S > STATEMENT_WAIT_S + QUEUE_WAIT_S_MAX + BANK_WAIT_S, (
    "the switch answers first"
)
assert CLIENT_ATTEMPT_TIMEOUT_S > BATCH_SENDING_S_MAX + TWIN_WAIT_S_MAX + BANK_WAIT_S, (
    "to a batch as well"
)
