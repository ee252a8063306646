"""The bounds of wallets, with their units and reasons."""

NAME_CHARS_MAX = 100  # of a person, in any script; passports print fewer
DOCUMENT_NUMBER_CHARS_MAX = 40  # passports and identity cards have under 20
PHONE_CHARS_MAX = 32  # as it is written, with blanks and brackets; E.164 allows 15 digits
SEALED_BYTES_MAX = 1024  # of one value: the longest name, and what sealing adds
KEY_ID_CHARS_MAX = 32
KEY_BYTES = 32  # of XChaCha20-Poly1305 and of HMAC-SHA-256
KEYS_MAX = 16  # that are kept: the one that seals, and those that still open

assert SEALED_BYTES_MAX >= 4 * NAME_CHARS_MAX + 100, "a name of any script fits, and what is added"
RESEALED_AT_ONCE = 500  # wallets of one transaction, a tenth of a second
RESOLVES_PER_S = 5.0  # of one participant in each worker; a person types a number in seconds
NUMBERS_AT_ONCE = 100  # phone numbers read between two turns of the others, some 5 ms
