"""Secrets as files: 64 hexadecimal digits of one user's, made at first use, whoever comes first."""

import os
import secrets
from pathlib import Path

SECRET_BYTES = 32  # of HMAC-SHA-256 and of XChaCha20-Poly1305


def read_or_make(path: Path) -> bytes:
    """The secret in this file, made now if it is not there; of several makers one wins.

    Raises OSError or ValueError when there is none that can be read.
    """
    if not path.exists():
        made = path.with_suffix(f".{secrets.token_hex(8)}.new")
        file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(file, "w") as output:
            output.write(f"{secrets.token_hex(SECRET_BYTES)}\n")
            output.flush()
            os.fsync(output.fileno())
        try:
            os.link(made, path)
        except FileExistsError:
            pass  # another worker was first, and its secret is everybody's
        finally:
            made.unlink()
    return read(path)


def read(path: Path) -> bytes:
    """The secret in this file. Raises OSError or ValueError when it holds none."""
    secret = bytes.fromhex(path.read_text(encoding="ascii"))
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"{path.name} holds no secret of {SECRET_BYTES} bytes")
    return secret
