"""The bounds of bills, with their units and reasons."""

CUSTOMER_CHARS_MAX = 64  # a number of a contract, a patient, a pupil, a taxpayer
PAYEE_NAME_CHARS_MAX = 64  # a line of a wallet's screen
BATCH_SIZE_MAX = 100  # bills of one message, which fits a body of the usual size
PAYABLE_D = 365  # after it was due, unless the bill says until when
FILE_LINES_MAX = 5_000  # read in some 30 ms, while a worker answers nobody else
FILE_BYTES_MAX = 2 * 1024 * 1024  # so many lines with long texts
FILES_IN_FLIGHT_MAX = 4  # in one worker
BILLER_FILES_IN_FLIGHT_MAX = 2
INSTALMENTS_MAX = 60  # of a bill: five years of months
INSTALMENT_AHEAD_D_MAX = 5 * 366
INSTALMENTS_A_TURN = 64  # taken in one transaction
TAKE_INTERVAL_S = 30.0  # how often it is looked for those whose day has come
TAKE_PAUSE_S = 0.05  # between two turns with work: payments come first
TAKE_S_MAX = 8.0  # one turn, as long as a statement may take
RETRY_S = 24 * 3_600  # an instalment that was declined is taken again
ATTEMPTS_MAX = 10  # then its biller has to see to it
