"""Every bound of the switch, with its unit and its reason; relations between them are asserted here."""

# One message.
BODY_BYTES_MAX = 64 * 1024  # a payment is under 2 KiB; the rest is room for signatures of proxies
AMOUNT_MAX = 10**15  # minor units; a thousand such amounts still fit a bigint

# The ledger.
BATCH_SIZE_MAX = 256  # one call of the deciding function; beyond it a commit is amortised well enough
AUTHORIZE_RETRIES_MAX = 5  # deadlocks and serialisation failures of one batch
STATEMENT_TIMEOUT_S = 5.0  # the server gives a statement up: surely not decided
STATEMENT_WAIT_S = 8.0  # the client gives the server up: outcome unknown
CONNECT_TIMEOUT_S = 5.0
PAGE_SIZE_MAX = 200  # rows of one list
PAGE_SIZE_DEFAULT = 50

assert STATEMENT_WAIT_S > STATEMENT_TIMEOUT_S, "the server must give up before the client does"

# What one worker takes on (defaults of `config.Config`).
LANE_COUNT = 2  # connections that decide; two already fill one Postgres when batches are large
LANE_QUEUE_MAX = 2048  # payments waiting for one lane; at 10,000/s a fifth of a second
READ_CONNECTIONS_MAX = 4  # connections for look-ups and account operations
CLIENT_CONNECTIONS_MAX = 2048  # open sockets of one worker; below the usual limit of 4,096 or more descriptors
SIGNATURE_AGE_S_MAX = 300.0  # the wire contract's bound; covers a slow link and one retry
SIGNATURE_AHEAD_S_MAX = 60.0  # clocks of participants that run ahead

# Processes.
WORKERS_MAX = 64  # each holds a handful of database connections
WORKERS_DEFAULT_MAX = 8  # beyond it the database is the bottleneck
DRAIN_S = 8.0  # a worker finishes what it accepted; the supervisor allows DRAIN_KILL_S
DRAIN_KILL_S = 10.0  # then the rest is ended by force
CHILD_READY_S = 30.0  # from its start until a child says that it serves
RESTART_PAUSE_S_MIN = 0.1  # a child that dies is replaced at once; doubled while it keeps dying young
RESTART_PAUSE_S_MAX = 5.0
CHILD_SETTLED_S = 30.0  # a child that lived this long was healthy: its next death counts as the first
PORT_TRIES_MAX = 20  # picking a free port that is free for both families of a name

# Jobs.
FOLD_INTERVAL_S = 0.1  # a merchant sees its money this late at most on an idle switch
FOLD_SIZE_MAX = 20_000  # credits in one transaction; keeps the database's horizon moving
BOOKS_CHECK_INTERVAL_S = 600.0  # reads everything once; an alarm after ten minutes is soon enough
CLOSING_INTERVAL_S = 1.0  # how soon a closing account is looked at again
JOB_PAUSE_S_MIN = 0.1  # after a failure, doubled each time
JOB_PAUSE_S_MAX = 5.0

assert DRAIN_S < DRAIN_KILL_S, "a worker must have the time to end by itself"
