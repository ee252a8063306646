"""Payment codes: what a wallet shows and a till sends, and how one names its mandate. No I/O.

A code is 18 decimal digits, which nobody guesses: of a million open codes, one is met in 10^12
attempts. Its mandate's id is a UUID of version 8 (RFC 9562): the first 122 bits of SHA-256 of the
code, version and variant between them. So whoever has the code finds the mandate without a secret
and without a look-up, and a table of mandates tells no code within its minutes.
"""

import hashlib
from typing import Annotated
from uuid import UUID

from msgspec import Meta

DIGITS = 18  # an even number: Code 128 has a set of characters that are two digits each
CODES = 10**DIGITS
PREFIX = b"payment-code\n"

PaymentCode = Annotated[str, Meta(min_length=DIGITS, max_length=DIGITS, pattern="^[0-9]+$")]


def mandate_of(code: str) -> UUID:
    """The id of the mandate that a payment names by this code."""
    assert len(code) == DIGITS, "a code has its digits"
    bits = int.from_bytes(hashlib.sha256(PREFIX + code.encode()).digest(), "big") >> (256 - 122)
    head, middle, tail = bits >> 74, bits >> 62 & 0xFFF, bits & (1 << 62) - 1
    return UUID(int=head << 80 | 8 << 76 | middle << 64 | 0b10 << 62 | tail)
