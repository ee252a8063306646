"""Ed25519 keys as files and as published documents: PEM (PKCS 8, SPKI) and JWK; nothing else.

RFC 8410 gives both PEM forms a fixed DER prefix, so no ASN.1 parser is needed: what does not
begin with the prefix is another kind of key and is refused with a sentence that says so.
A private key is handled as its 32-byte seed, a public key as its 32 bytes. Every error is a
SwitchError for a person: one line that names the file or key and says what to do.
"""

import base64
import binascii
import json
import os
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from nacl import bindings

from switch.errors import SwitchError
from switch.limits import KEY_FILE_BYTES_MAX, PUBLISHED_KEYS_MAX, VERIFIED_KEYS_MAX

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32

# RFC 8410 §7 and §4: everything before the 32 bytes of the key is constant for Ed25519.
PKCS8_PREFIX = bytes.fromhex("302e020100300506032b657004220420")
PKCS8_WITH_PUBLIC_PREFIX = bytes.fromhex("3051020101300506032b657004220420")
PKCS8_PUBLIC_MARK = bytes.fromhex("812100")
SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key with its id and the time it may be used in (None: no bound)."""

    key_id: str
    public_key: bytes
    not_before: datetime | None = None
    not_after: datetime | None = None

    def was_valid_in(self, second: int) -> bool:
        """Whether the key was valid in a Unix second; published times are whole seconds."""
        begun = self.not_before is None or int(self.not_before.timestamp()) <= second
        ended = self.not_after is not None and self.not_after.timestamp() < second
        return begun and not ended


def generate_seed() -> bytes:
    """A new private key: 32 random bytes."""
    return secrets.token_bytes(SEED_BYTES)


def public_key(seed: bytes) -> bytes:
    """The 32 bytes of the public key that belongs to a seed."""
    assert len(seed) == SEED_BYTES, "a seed has 32 bytes"
    public, _ = bindings.crypto_sign_seed_keypair(seed)
    return bytes(public)


def private_pem(seed: bytes) -> str:
    """A seed as PEM (PKCS 8, RFC 8410 §7), as `openssl pkey` reads it."""
    assert len(seed) == SEED_BYTES, "a seed has 32 bytes"
    return _pem("PRIVATE KEY", PKCS8_PREFIX + seed)


def public_pem(public_key: bytes) -> str:
    """A public key as PEM (SubjectPublicKeyInfo, RFC 8410 §4)."""
    assert len(public_key) == PUBLIC_KEY_BYTES, "a public key has 32 bytes"
    return _pem("PUBLIC KEY", SPKI_PREFIX + public_key)


def write_private_key(path: Path, seed: bytes) -> None:
    """Write a seed as PEM into a new file of mode 0600; an existing file is never overwritten."""
    content = private_pem(seed).encode()
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise SwitchError(
            f"{path} already exists and keys are never overwritten: choose another file"
        ) from None
    except OSError as error:
        raise SwitchError(
            f"cannot write the key file {path} ({error.strerror}):"
            " choose a folder that is there and that this user may write"
        ) from None
    with os.fdopen(file, "wb") as writer:
        os.fchmod(writer.fileno(), 0o600)  # whatever the umask: the owner can read it, nobody else
        writer.write(content)
        writer.flush()
        os.fsync(writer.fileno())


def read_private_key(path: Path) -> bytes:
    """The seed in a PEM file; SwitchError says what is wrong with the file."""
    try:
        with path.open("rb") as reader:
            content = reader.read(KEY_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise SwitchError(
            f"there is no key file {path}: make one with `switch key generate {path}`"
        ) from None
    except OSError as error:
        raise SwitchError(f"cannot read the key file {path}: {error.strerror}") from None
    try:
        return parse_private_pem(content.decode("ascii", "replace"))
    except SwitchError as error:
        raise SwitchError(f"{path}: {error}") from None


def parse_private_pem(text: str) -> bytes:
    """The seed in a PEM text (PKCS 8 version 1, or 2 with its public key beside it)."""
    if "ENCRYPTED PRIVATE KEY" in text:
        raise SwitchError("the key is encrypted: decrypt it first with `openssl pkey -in … -out …`")
    der = _der(text, "PRIVATE KEY")
    seed = der[len(PKCS8_PREFIX) :][:SEED_BYTES]
    if der == PKCS8_PREFIX + seed and len(seed) == SEED_BYTES:
        return seed
    if len(
        seed
    ) == SEED_BYTES and der == PKCS8_WITH_PUBLIC_PREFIX + seed + PKCS8_PUBLIC_MARK + public_key(
        seed
    ):
        return seed
    raise SwitchError("this is not an Ed25519 private key: make one with `switch key generate`")


def parse_public_pem(text: str) -> bytes:
    """The public key in a PEM text; SwitchError when it is anything but a usable Ed25519 key."""
    der = _der(text, "PUBLIC KEY")
    if not der.startswith(SPKI_PREFIX) or len(der) != len(SPKI_PREFIX) + PUBLIC_KEY_BYTES:
        raise SwitchError(
            "this is not an Ed25519 public key: `switch key generate` prints one that fits"
        )
    return _usable(der[len(SPKI_PREFIX) :])


def jwk(key: PublicKey) -> dict[str, Any]:
    """A public key as a JWK (RFC 8037 §2); `nbf` and `exp` bound its use, in Unix seconds."""
    fields: dict[str, Any] = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": base64url(key.public_key),
        "kid": key.key_id,
        "use": "sig",
        "alg": "EdDSA",
    }
    if key.not_before is not None:
        fields["nbf"] = int(key.not_before.timestamp())
    if key.not_after is not None:
        fields["exp"] = int(key.not_after.timestamp())
    return fields


def jwks_document(keys: Iterable[PublicKey]) -> bytes:
    """The document that `GET /.well-known/jwks.json` serves (RFC 7517 §5)."""
    return json.dumps({"keys": [jwk(key) for key in keys]}, separators=(",", ":")).encode()


def parse_jwk(fields: Any) -> PublicKey:
    """A JWK as published by a switch; SwitchError when it is not an Ed25519 key with an id."""
    if not isinstance(fields, dict):
        raise SwitchError("a JWK is a JSON object")
    if fields.get("kty") != "OKP" or fields.get("crv") != "Ed25519":
        raise SwitchError('the JWK is not an Ed25519 key ("kty": "OKP", "crv": "Ed25519")')
    key_id, x = fields.get("kid"), fields.get("x")
    if not isinstance(key_id, str) or not isinstance(x, str):
        raise SwitchError('the JWK needs "kid" and "x" as strings')
    public = from_base64url(x)
    if public is None:
        raise SwitchError('"x" of the JWK is not base64url')
    return PublicKey(
        key_id=key_id,
        public_key=_usable(public),
        not_before=_moment(fields, "nbf"),
        not_after=_moment(fields, "exp"),
    )


def parse_jwks(document: bytes | str) -> dict[str, PublicKey]:
    """The Ed25519 keys of a JWK set by id; keys of other kinds are passed over (RFC 7517 §5)."""
    try:
        keys = json.loads(document)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise SwitchError('this is not a JWK set: expected {"keys": [...]}') from None
    if not isinstance(keys, list) or len(keys) > PUBLISHED_KEYS_MAX:
        raise SwitchError(f"a JWK set holds a list of at most {PUBLISHED_KEYS_MAX} keys")
    found = [
        parse_jwk(fields)
        for fields in keys
        if isinstance(fields, dict) and fields.get("crv") == "Ed25519"
    ]
    if len({key.key_id for key in found}) != len(found):
        raise SwitchError("the JWK set names one key id twice")
    return {key.key_id: key for key in found}


def base64url(content: bytes) -> str:
    """Bytes as JOSE writes them (RFC 7515 §2): base64url without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def from_base64url(text: str) -> bytes | None:
    """The inverse; None for every text that `base64url` does not write."""
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    return content if base64url(content) == text else None


def _pem(kind: str, der: bytes) -> str:
    encoded = base64.b64encode(der).decode()
    lines = [encoded[start : start + 64] for start in range(0, len(encoded), 64)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])


def _der(text: str, kind: str) -> bytes:
    """The bytes between the PEM marks of one kind; text around them is allowed (RFC 7468 §2)."""
    if len(text) > KEY_FILE_BYTES_MAX:
        raise SwitchError(f"a key file has at most {KEY_FILE_BYTES_MAX} bytes")
    begin, end = f"-----BEGIN {kind}-----", f"-----END {kind}-----"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise SwitchError(f"expected exactly one PEM block between `{begin}` and `{end}`")
    body = text[text.index(begin) + len(begin) : text.index(end)]
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise SwitchError("the PEM block is not base64") from None


@lru_cache(maxsize=VERIFIED_KEYS_MAX)
def is_usable(public: bytes) -> bool:
    """Whether 32 bytes are a point of the curve's main group: for others anybody can sign."""
    return bool(bindings.crypto_core_ed25519_is_valid_point(public))


def _usable(public: bytes) -> bytes:
    if len(public) != PUBLIC_KEY_BYTES or not is_usable(public):
        raise SwitchError("the public key is not a valid Ed25519 key")
    return public


def _moment(fields: dict[str, Any], name: str) -> datetime | None:
    value = fields.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        pass
    raise SwitchError(f'"{name}" of the JWK is not a time in Unix seconds')
