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
