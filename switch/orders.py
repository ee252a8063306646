"""What the client sends, as the wire wants it: keys, bodies, ids in paths. Reads a key file."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec

from switch.keyfile import read_private_key


def key_or_new(given: str | None) -> str:
    """The idempotency key of a call: a random one when none was given."""
    return str(uuid.uuid4()) if given is None else given


def body_of(fields: Mapping[str, object]) -> bytes:
    """JSON of the fields that were given."""
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})


def seed_of(key: Path | bytes) -> bytes:
    """The private key itself, from where it is."""
    return key if isinstance(key, bytes) else read_private_key(key)


def segment(identifier: str) -> str:
    """An id as one segment of a path, whatever it holds."""
    return quote(identifier, safe="")
