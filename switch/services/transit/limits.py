"""How much of everything there may be, and why."""

from datetime import timedelta

NAME_CHARS_MAX = 60  # it is the description of payments
STATIONS_MAX = 1_000  # of a network: the largest have some 500
ZONES_MAX = 60  # a price for each pair of them
CLASSES_MAX = 20
PRICE_MAX = 10**10  # minor units: the rides of a week stay far below the largest amount
CODE_CHARS_MAX = 32  # of a station or a class
FARES_BYTES_MAX = 96 * 1024  # 1,000 stations and 3,600 prices
MINUTES_MAX = 720  # of a ride, and of a transfer window
TABLE_AHEAD_D_MAX = 730  # a fare table may be laid down so long before it is valid
TABLES_AHEAD_MAX = 10  # for days to come: they are shown all at once
SETTLE_MINUTES_MAX = 2 * 1_440  # after a day's end, for taps that come late

NUMBER_DIGITS_MAX = 18  # of a change: fits a bigint
TAPS_MAX = 500  # in one upload: 1,000 signatures to verify, some 0.1 s of one core
TAPS_BYTES_MAX = 512 * 1024  # as many taps of some 600 bytes, with room for white space
TABLES_IN_FLIGHT_MAX = 2  # fare tables, rarely laid and large
UPLOADS_IN_FLIGHT_MAX = 8  # whole and decoded in memory
OPERATOR_UPLOADS_IN_FLIGHT_MAX = 4
TAPS_A_DAY_MAX = 200  # of one token: nobody rides more often, a broken gate does
TAP_AGE_D_MAX = 35  # later than that a gate's taps are lost
TAP_AGE_MAX = timedelta(days=TAP_AGE_D_MAX)
AHEAD_S_MAX = 300  # that a gate's clock may be ahead of ours
COUNTER_MAX = 2**53 - 1  # what every JSON parser keeps
TOKEN_D_MAX = 5 * 366  # a card lasts so long

WEEKS_A_TURN = 100  # priced and paid in one transaction
REFUNDS_A_TURN = 32  # of one week: more follow in the next turn
SETTLE_PAUSE_S = 0.05  # between two turns with work: payments come first
SETTLE_IDLE_S = 1.0  # how often it is looked for work
SETTLE_S_MAX = 8.0  # one turn, as long as a statement may take
RETRY_S_MIN = 3_600  # a fare that was declined is asked for again; doubles to
RETRY_S_MAX = 24 * 3_600
FAILURES_MAX = 30  # about a month; then when its provider asks for it
