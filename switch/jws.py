"""Compact JSON Web Signatures (RFC 7515) with Ed25519 (RFC 8037), and nothing else of JOSE.

A small profile on purpose: one algorithm, and a protected header of `alg`, `kid` and `typ` alone.
So there is no algorithm to choose, no extension to understand, and no key or address in the header
that could be trusted by mistake. What a general library makes of a text is the same or narrower.
Pure functions: no I/O and no clock.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from switch.keyfile import base64url, from_base64url
from switch.limits import JWS_CHARS_MAX
from switch.signature import SIGNATURE_BYTES, SigningKey, raw_signature, verify_bytes
from switch.structured import Fault

ALGORITHM = "EdDSA"
HEADER_NAMES = frozenset({"alg", "kid", "typ"})


class Jws(msgspec.Struct, frozen=True, kw_only=True):
    """A compact JWS that was read; nothing in it is to be believed before `is_by`."""

    header: dict[str, str]
    payload: bytes
    signed: bytes  # what the signature covers: header and payload as they stand
    signature: bytes


def sign(header: Mapping[str, str], payload: bytes, key: SigningKey) -> str:
    """The compact form of a payload, signed; the members of the header in the order given."""
    assert header.keys() <= HEADER_NAMES, "another header is not read here"
    assert header.get("alg") == ALGORITHM, "one algorithm"
    signed = f"{base64url(msgspec.json.encode(header))}.{base64url(payload)}"
    token = f"{signed}.{base64url(raw_signature(signed.encode('ascii'), key))}"
    assert len(token) <= JWS_CHARS_MAX, "whatever is signed here can be read here"
    return token


def read(token: str) -> Jws | Fault:
    """Take a compact JWS apart; the curve is not asked."""
    if len(token) > JWS_CHARS_MAX:
        return Fault(f"is longer than {JWS_CHARS_MAX} characters")
    parts = token.split(".")
    if len(parts) != 3:
        return Fault("is not three parts with a dot between them")
    decoded = [from_base64url(part) for part in parts]
    header, payload, signature = decoded
    if header is None or payload is None or signature is None:
        return Fault("is not base64url without padding")
    members = read_object(header)
    if isinstance(members, Fault):
        return Fault(f"has a header that {members.detail}")
    if members.get("alg") != ALGORITHM:
        return Fault(f"is not signed with alg {ALGORITHM}")
    strange = sorted(members.keys() - HEADER_NAMES)
    if strange:
        return Fault(f"has the header member {strange[0][:40]!a}, which is trusted from nobody")
    if not all(isinstance(value, str) for value in members.values()):
        return Fault("has a header member that is not a text")
    if len(signature) != SIGNATURE_BYTES:
        return Fault(f"has no signature of {SIGNATURE_BYTES} bytes")
    signed = token.rpartition(".")[0].encode("ascii")
    return Jws(header=members, payload=payload, signed=signed, signature=signature)


def is_by(jws: Jws, public_key: bytes) -> bool:
    """Whether the signature is by this key."""
    return verify_bytes(jws.signed, jws.signature, public_key)


def read_object(content: bytes) -> dict[str, Any] | Fault:
    """The members of a JSON object; one that is given twice could be read in two ways."""
    try:
        value = json.loads(
            content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        return Fault("is not JSON whose members are given once")
    return value if isinstance(value, dict) else Fault("is not a JSON object")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is given twice")
    return members


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not JSON")
