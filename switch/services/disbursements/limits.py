"""The bounds of disbursements, with their units and reasons."""

PAYOUTS_MAX = 1_000_000  # of one disbursement: a city's pensioners
PART_LINES_MAX = 5_000  # read in some 20 ms, while a worker answers nobody else
PART_BYTES_MAX = 1024 * 1024  # so many lines with long references
PARTS_IN_FLIGHT_MAX = 4  # in one worker, each up to a part's bytes of memory and more
OFFICE_PARTS_IN_FLIGHT_MAX = 2  # of one participant
PHONE_CHARS_MAX = 32  # as it is written, with blanks and brackets; E.164 allows 15 digits
PURPOSE_CHARS_MAX = 64  # in every payment's description
BATCH_SIZE = 512  # lines decided at once; a commit of its own every 30 ms
IDLE_S = 0.5  # how soon an approved one begins
PAY_S_MAX = 8.0  # one batch, as long as a statement may take
RESULTS_MAX = 1_000  # of one page, as long as a part is easily read
WATCH_S = 1.0  # how often the progress on the command line moves
