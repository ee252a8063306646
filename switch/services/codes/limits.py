"""Every bound of the codes, with its unit and its reason. Those of the format are EMVCo's.

EMV QR Code Specification for Payment Systems, Merchant-Presented Mode, version 1.1: how
long a code and its data objects may be.
"""

PAYLOAD_CHARS_MAX = 512  # of a code; beyond that it is too dense for a camera
VALUE_CHARS_MAX = 99  # of one data object: its length has two digits
IDENTIFIER_CHARS_MAX = 32  # of a globally unique identifier: a UUID without hyphens, a domain
AMOUNT_CHARS_MAX = 13  # of an amount or a fixed fee, its decimal mark included
PERCENTAGE_CHARS_MAX = 5  # of a fee in percent: 99.99
NAME_CHARS_MAX = 25  # of a merchant, for a screen or a receipt
CITY_CHARS_MAX = 15
POSTAL_CODE_CHARS_MAX = 10
LABEL_CHARS_MAX = 25  # of a bill number, a store label and what else is about one sale
TAX_ID_CHARS_MAX = 20
CONSUMER_DATA_CHARS_MAX = 3  # one letter each for address, mobile number and e-mail

BASIS_POINTS_MAX = 9_999  # 99.99 %, hundredths of a percent

# Pictures.
MODULE_PIXELS = 8  # the side of a dot of a PNG; a code of 60 dots is then some 5 cm on a screen
QUIET_MODULES = 4  # white around the symbol, as ISO/IEC 18004 has it
PICTURES_MAX = 16  # being drawn and waiting, of a worker; one after the other, half a second
PARTICIPANT_PICTURES_MAX = 8  # of which: of one participant

assert PARTICIPANT_PICTURES_MAX < PICTURES_MAX, "one participant leaves room for others"
assert AMOUNT_CHARS_MAX < VALUE_CHARS_MAX < PAYLOAD_CHARS_MAX
