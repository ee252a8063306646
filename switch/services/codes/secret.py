"""The secret of payment codes: the file `codes/code.key` in the switch's key folder.

A code is made from the secret and from whose message asks for it, under which key, so a repeat gets
the same digits although none are kept. Only a repeat needs the secret that its code was made with:
what was made with another is paid all the same, for a payment needs none.
"""

import hashlib
import hmac
from pathlib import Path

from switch import log
from switch.errors import LedgerUnavailable
from switch.payment_code import CODES, DIGITS
from switch.secret_file import read_or_make
from switch.services.codes import limits

FOLDER = "codes"
FILE = "code.key"

_log = log.logger("codes")


def load(key_dir: Path) -> bytes:
    """The secret, 32 bytes, as it is now: a file that was put back is in use at once.

    Raises LedgerUnavailable, and logs it, when it cannot be read.
    """
    folder = key_dir / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        return read_or_make(folder / FILE)
    except (OSError, ValueError) as error:
        _log.error("the secret of payment codes cannot be read", file=f"{FOLDER}/{FILE}",
                   error=type(error).__name__)  # fmt: skip
        raise LedgerUnavailable("the secret of payment codes cannot be read") from error


def candidates(secret: bytes, participant: str, key: str) -> tuple[str, ...]:
    """The codes that a participant's message under this key may get, the first one usually.

    HMAC-SHA-256 (RFC 2104), taken as a number, without what is above 18 digits.
    """
    return tuple(_made(secret, turn, participant, key) for turn in range(limits.CANDIDATES))


def _made(secret: bytes, turn: int, participant: str, key: str) -> str:
    asked = f"payment code {turn}\n{participant}\n{key}"
    digest = hmac.digest(secret, asked.encode(), hashlib.sha256)
    return f"{int.from_bytes(digest, 'big') % CODES:0{DIGITS}}"
