"""Content-Digest (RFC 9530): whether a body is the one that was digested. No I/O, no clock."""

import hashlib
import hmac
import re
from base64 import b64encode
from binascii import a2b_base64

from switch.errors import Problem
from switch.structured import Fault, parse_dictionary

_COMMON_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")

DIGEST_MISSING = Problem(
    name="digest-missing", detail="a body needs a Content-Digest with sha-256 (RFC 9530)"
)


def check_digest(content_digest: str | None, body: bytes) -> bytes | Problem:
    """The SHA-256 of the body, when it is what the field Content-Digest says (RFC 9530).

    Without a body the field may be absent. A `sha-512` beside `sha-256` must be right too; other
    algorithms are passed over. Problems: digest-missing, digest-mismatch, malformed-message.
    """
    digest = hashlib.sha256(body).digest()
    if content_digest is None:
        return DIGEST_MISSING if body else digest
    common = _COMMON_DIGEST.fullmatch(content_digest)
    if common is not None and hmac.compare_digest(a2b_base64(common[1]), digest):
        return digest
    return _check_digests(content_digest, body, digest)


def digest_field(body: bytes) -> str:
    """The value of Content-Digest for a body."""
    return f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode()}:"


def _check_digests(content_digest: str, body: bytes, digest: bytes) -> bytes | Problem:
    """The general way of `check_digest`: several algorithms, or a digest that does not fit."""
    parsed = parse_dictionary(content_digest)
    if isinstance(parsed, Fault):
        return Problem(name="malformed-message", detail=parsed.detail, field="Content-Digest")
    if "sha-256" not in parsed:
        return DIGEST_MISSING
    expected = {"sha-256": digest}
    if "sha-512" in parsed:
        expected["sha-512"] = hashlib.sha512(body).digest()
    for algorithm, right in expected.items():
        given = parsed[algorithm][0]
        if type(given) is not bytes or not hmac.compare_digest(given, right):
            return Problem(
                name="digest-mismatch", detail=f"{algorithm} is not the digest of the body"
            )
    return digest
