"""What is signed for gates and by them: tokens as JWS, taps as lines of text. No I/O, no clock.

A token is a JSON Web Token (RFC 7519) by the switch that names the rider's key as its confirmation
(RFC 7800): a gate that was never online verifies it with the switch's published keys. A tap is a
line that the rider's device signs, and the gate after it; neither can make one without the other.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from switch import jws
from switch.clock import rfc3339
from switch.key_message import PublicJwk
from switch.keyfile import PublicKey, from_base64url
from switch.signature import SigningKey, verify_bytes
from switch.structured import Fault

TYPE = "transit-token+jwt"  # RFC 8725 §3.11: no other signed text can be taken for a token
DOMAIN = "transit-tap-1"  # and none for a tap


class Confirmation(Struct, frozen=True, kw_only=True):
    """RFC 7800: the key whose secret half the rider holds."""

    jwk: PublicJwk


class Claims(Struct, frozen=True, kw_only=True):
    """What a token says. Times are Unix seconds, the liability is in minor units."""

    iss: str
    iat: int
    sub: str  # the token's id
    network: str
    rider_class: str
    currency: str
    liability_max: int
    nbf: int
    exp: int
    cnf: Confirmation


def issue(claims: Claims, key: SigningKey) -> str:
    """The token as its rider carries it."""
    header = {"alg": jws.ALGORITHM, "kid": key.key_id, "typ": TYPE}
    return jws.sign(header, msgspec.json.encode(claims), key)


def verify(token: str, find_key: Callable[[str], PublicKey | None]) -> Claims | Fault:
    """What a token says, when the switch signed it with a key that is found, as a gate sees it.

    Whether it is valid now, and for this network, is not asked here.
    """
    signed = jws.read(token)
    if isinstance(signed, Fault):
        return signed
    if signed.header.get("typ") != TYPE:
        return Fault(f"is no token: its typ is not {TYPE}")
    key = find_key(signed.header.get("kid", ""))
    if key is None or not jws.is_by(signed, key.public_key):
        return Fault("is not signed by the switch")
    try:
        claims = msgspec.json.decode(signed.payload, type=Claims)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Fault(f"is no token: {error}")
    return (
        claims if key.was_valid_in(claims.iat) else Fault("was signed when the key was not valid")
    )


def line(
    *, gate: UUID, counter: int, token: UUID, station: str, direction: str, tapped_at: datetime
) -> bytes:
    """What the rider's device signs."""
    said = f"{DOMAIN} {gate} {counter} {token} {station} {direction} {rfc3339(tapped_at)}"
    return said.encode("ascii")


def countersigned(said: bytes, rider_signature: str) -> bytes:
    """What the gate signs: the line, and who signed it before."""
    return said + b" " + rider_signature.encode("ascii")


def is_by(message: bytes, signature: str, public_key: bytes) -> bool:
    """Whether a signature, 86 characters of base64url, is by this key."""
    decoded: Any = from_base64url(signature)
    return decoded is not None and verify_bytes(message, decoded, public_key)
