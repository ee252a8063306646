"""Every bound of check-outs, with its unit and its reason."""

URL_CHARS_MAX = 512  # of the page and of where it leads back to; browsers take more, codes do not
VALID_S_MIN = 30  # nobody finds his telephone sooner
VALID_S_MAX = 90 * 86_400  # an order that waits longer is a bill
VALID_S_DEFAULT = 900  # a quarter of an hour, as shops keep a basket
NAME_CHARS_MAX = 70  # of who is paid, for people; as ISO 20022 bounds a creditor's short name

# The public page. Its looks are reads of the ledger that nobody signed for.
LOOKS_PER_S = 200.0  # of one address, at one worker: some 400 open pages behind one proxy
LOOKS_IN_FLIGHT_MAX = 8  # of a worker: most of its connections stay for participants
PICTURES_KEPT_MAX = 256  # of a worker, drawn before; 2 kB each
QUIET_MODULES = 4  # white around a code, as ISO/IEC 18004 has it

assert VALID_S_MIN < VALID_S_DEFAULT < VALID_S_MAX
