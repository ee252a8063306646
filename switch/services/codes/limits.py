"""Every bound of the codes, with its unit and its reason. Those of the format are EMVCo's.

EMV QR Code Specification for Payment Systems, Merchant-Presented Mode, version 1.1: how
long a code and its data objects may be. PAYLOAD_CHARS_MAX holds for both modes.
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

# Codes that a consumer presents. The longest validity stands in the ledger's table, too.
VALIDITY_S_DEFAULT = 60  # of a code; as long as somebody waits at a till
VALIDITY_S_MIN = 10  # shorter, and it is over when it is presented
VALIDITY_S_MAX = 300  # what is longer valid can be photographed, and sold
OPEN_CODES_MAX = 10  # of one account at the same time: one person, a few phones, some mistakes
CANDIDATES = 3  # digits that a message may get; that all are given already happens never
APPLICATION_BYTES_MIN = 5  # of an application (ISO/IEC 7816-4), and the most
APPLICATION_BYTES_MAX = 16
TAG_BYTES_MAX = 3  # of a data object; EMV has no longer ones
DEPTH_MAX = 4  # of templates in templates; EMV has three

assert VALIDITY_S_MIN <= VALIDITY_S_DEFAULT <= VALIDITY_S_MAX
assert PARTICIPANT_PICTURES_MAX < PICTURES_MAX, "one participant leaves room for others"
assert AMOUNT_CHARS_MAX < VALUE_CHARS_MAX < PAYLOAD_CHARS_MAX
