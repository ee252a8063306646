"""HTTP message signatures (RFC 9421) with Ed25519: requests are checked, answers are signed.

Pure functions: no I/O and no clock; time is an argument. A request is checked in stages, cheap
ones first, so that a stranger costs next to nothing and the curve is asked once at most:

    found  = find_candidate(...)            headers alone, before the body is read
    check_age(found, ...)                   `created` and `expires` against the clock
    digest = check_digest(headers, body)    the body is the one that was signed
    verify(found, public_key)               the only curve arithmetic

Two ways read the headers: a fast one for the form nearly every client sends (one regular
expression), and a general one for everything RFC 9421 allows (`components`). Both give the same
reading of the same bytes; whatever the fast way does not recognise is left to the general one.
What a participant's client needs to sign requests and to check answers is in `signing`.
"""

import hashlib
import hmac
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping

import msgspec
from nacl import bindings, exceptions

from switch.components import FieldLines
from switch.errors import Problem


class BoundRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What of a request an answer is bound to: values as they stand in a signature base."""

    method: str
    path: str
    query: str | None
    content_digest: str | None
    idempotency_key: str | None


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """The one signature of a request that names a key known here, before curve arithmetic."""

    key_id: str
    label: str
    base: bytes
    signature: bytes
    created: int  # Unix seconds
    expires: int | None  # Unix seconds
    bound: BoundRequest


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to sign with; `signing_key` makes it from a seed."""

    key_id: str
    secret: bytes  # 64 bytes: the seed and the public key, as libsodium wants them


def signing_key(key_id: str, seed: bytes) -> SigningKey:
    """A key to sign with, from its id and its 32-byte seed."""
    raise NotImplementedError


def find_candidate(
    *,
    method: str,
    authority: str,
    path: str,
    query: str | None,
    headers: FieldLines,
    has_body: bool,
    is_known_key: Callable[[str], bool],
    scheme: str = "https",
) -> Candidate | Problem:
    """Read the signature that is to be verified from the headers alone.

    `authority` is normal already (lower case, no default port) and one of the switch's own names;
    `path` and `query` are raw, as on the wire, the query without its `?` and None when there is
    no `?`. Problems: signature-missing, signature-invalid, signature-incomplete,
    signature-ambiguous, key-unknown, digest-missing, malformed-message. A POST without an
    Idempotency-Key is let through here: `parse_idempotency_key` refuses it, in a signed answer.
    """
    raise NotImplementedError


def check_age(
    candidate: Candidate, *, now_us: int, age_s_max: float, ahead_s_max: float
) -> Problem | None:
    """Refuse a signature that is too old, from the future, or past its own `expires`."""
    raise NotImplementedError


def check_digest(headers: FieldLines, body: bytes) -> bytes | Problem:
    """The SHA-256 of the body, when it is what Content-Digest says (RFC 9530).

    Without a body the header may be absent. A `sha-512` beside `sha-256` must be right too;
    other algorithms are passed over. Problems: digest-missing, digest-mismatch, malformed-message.
    """
    raise NotImplementedError


def verify(candidate: Candidate, public_key: bytes) -> bool:
    """Whether the signature is by this key: the one place with curve arithmetic."""
    raise NotImplementedError


def parse_idempotency_key(headers: FieldLines) -> str | Problem:
    """The key a POST carries, quoted or bare: both name the same key.

    Problems: idempotency-key-missing, malformed-message.
    """
    raise NotImplementedError


def sign_reply(
    key: SigningKey, *, status: int, body: bytes, bound: BoundRequest, created: int
) -> dict[str, str]:
    """The headers Content-Digest, Signature-Input and Signature of an answer.

    `bound` is that of the verified request (`candidate.bound`), `created` is in Unix seconds.
    """
    raise NotImplementedError
