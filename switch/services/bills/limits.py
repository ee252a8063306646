"""The bounds of bills, with their units and reasons."""

CUSTOMER_CHARS_MAX = 64  # a number of a contract, a patient, a pupil, a taxpayer
PAYEE_NAME_CHARS_MAX = 64  # a line of a wallet's screen
BATCH_SIZE_MAX = 100  # bills of one message, which fits a body of the usual size
PAYABLE_D = 365  # after it was due, unless the bill says until when
