"""What may be said about keys: the bodies of `/v1/keys`, in and out. No I/O, no clock.

A public key is a JWK (RFC 8037), as the switch publishes its own. Members that a private JWK has
besides are unknown here and refused: a private key is nobody's business but its owner's.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from switch import limits
from switch.errors import Problem, SwitchError
from switch.keyfile import PublicKey, jwk, parse_jwk
from switch.message import Time, decode, in_utc, malformed

KEY_NAME_PATTERN = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{limits.KEY_NAME_CHARS_MAX - 1}}}$"

KeyName = Annotated[str, Meta(pattern=KEY_NAME_PATTERN)]
KeyId = Annotated[str, Meta(extra_json_schema={"pattern": "^[a-z][a-z0-9-]{1,31}/.{1,64}$"})]


class PublicJwk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An Ed25519 public key (RFC 8037); the validity stands beside it, not in it."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}$")]
    kid: Annotated[str, Meta(max_length=limits.KEY_NAME_CHARS_MAX * 2)] | None = None
    use: Literal["sig"] | None = None
    alg: Literal["EdDSA"] | None = None


class KeyRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/keys`."""

    name: KeyName
    public_key: PublicJwk
    not_before: Annotated[datetime, Meta(tz=True)] | None = None
    not_after: Annotated[datetime, Meta(tz=True)] | None = None


# --- what the switch answers; fields in the order of the wire ------------------------


class ParticipantKey(Struct, frozen=True, kw_only=True):
    """A key as its participant sees it; `introduced_by` is null when the operator added it.

    `confirmed_at`: from then on it stays when its introducer is revoked. `last_used_at` is told
    about once a minute, so it may be a minute old; null when the key has not signed anything yet.
    """

    id: KeyId
    name: str
    public_key: PublicJwk
    not_before: Time
    not_after: Time
    introduced_by: KeyId | None
    confirmed_at: Time | None
    revoked_at: Time | None
    last_used_at: Time | None
    created_at: Time


class KeyOperation(Struct, frozen=True, kw_only=True):
    """What revoking came to: the keys it revoked; none when they were revoked before."""

    key: KeyId
    operation: Annotated[str, Meta(extra_json_schema={"enum": ["revoke"]})]
    revoked: list[KeyId]
    idempotency_key: str
    decided_at: Time


def published(public_key: bytes) -> PublicJwk:
    """The bytes of a public key as a JWK."""
    return PublicJwk(
        kty="OKP", crv="Ed25519", x=jwk(PublicKey(key_id="", public_key=public_key))["x"]
    )


# --- decoding ------------------------------------------------------------------------

_decoder = msgspec.json.Decoder(KeyRequest)


def decode_key(body: bytes) -> KeyRequest | Problem:
    """The key to introduce in these bytes, or which rule they break."""
    request = decode(_decoder, body)
    if isinstance(request, Problem):
        return request
    try:
        public_bytes(request.public_key)
    except SwitchError as error:
        return malformed(f"Not a key to trust: {error}.", "public_key.x")
    return in_utc(request, "not_before", "not_after")


def public_bytes(key: PublicJwk) -> bytes:
    """The 32 bytes of a public key; SwitchError when no signature by it could be trusted."""
    return parse_jwk({"kty": key.kty, "crv": key.crv, "x": key.x, "kid": ""}).public_key
