"""Sealed values and blind indexes: how personal data stands in a table.

A value is sealed with XChaCha20-Poly1305 (RFC 8439's construction with the 192-bit nonce of
draft-irtf-cfrg-xchacha, as libsodium has it), under a random nonce. The associated data binds the
table, the row, the column and the key's id, so that a ciphertext that is moved to another place
does not open there. A blind index is the HMAC-SHA-256 of what is looked for (RFC 2104), with a key
that is made for each kind of alias: equal values have equal indexes, and without the key nobody can
try values.

Each secret gives a key of its own for each use, by HKDF-Expand (RFC 5869) with a label of its own,
so that none says anything about another.
"""

import hashlib
import hmac
import secrets
import struct
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from msgspec import Struct
from nacl import bindings
from nacl.exceptions import CryptoError

from switch.services.wallets import limits

VERSION: Final = b"\x01"  # of the form: version, length of the key's id, its id, nonce, ciphertext
NONCE_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
TAG_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_ABYTES


class Place(Struct, frozen=True, kw_only=True):
    """Where a sealed value stands."""

    table: str
    row: UUID
    column: str


class SealedElsewhere(Exception):  # noqa: N818  the word says it
    """A ciphertext that was changed, moved, or sealed with a key that is not here."""


class SecretBox(Struct, frozen=True, kw_only=True):
    """The secrets by id; the one named `current` seals, all of them open.

    Indexes have a secret of their own that stays the same: a table is searched by one.
    """

    current: str
    secrets: Mapping[str, bytes]
    index_secret: bytes

    def __post_init__(self) -> None:
        assert self.current in self.secrets, "what seals is among what opens"
        assert len(self.secrets) <= limits.KEYS_MAX, "more keys than are kept"
        assert len(self.index_secret) == limits.KEY_BYTES, "a secret has 32 bytes"
        for key_id, secret in self.secrets.items():
            assert 1 <= len(key_id) <= limits.KEY_ID_CHARS_MAX, "a key has a short id"
            assert key_id.isascii(), "of ASCII"
            assert len(secret) == limits.KEY_BYTES, "a secret has 32 bytes"

    def seal(self, value: str, place: Place) -> bytes:
        """The value, unreadable, for this place only."""
        key_id = self.current.encode()
        head = VERSION + bytes((len(key_id),)) + key_id
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            value.encode(), _associated(head, place), nonce, self._sealing_key(self.current)
        )
        assert len(sealed) == len(value.encode()) + TAG_BYTES, "nothing is padded"
        return head + nonce + bytes(sealed)

    def open(self, sealed: bytes, place: Place) -> str:
        """The value that was sealed for this place. Raises SealedElsewhere."""
        head, nonce, ciphertext = _split(sealed)
        key_id = head[2:].decode("ascii", "replace")
        if key_id not in self.secrets:
            raise SealedElsewhere("the key that sealed this value is not in the key folder")
        try:
            value = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                ciphertext, _associated(head, place), nonce, self._sealing_key(key_id)
            )
        except CryptoError as error:
            raise SealedElsewhere("this value was not sealed for this place") from error
        return bytes(value).decode()

    def is_current(self, sealed: bytes) -> bool:
        """Whether the key that seals now sealed it; what another sealed may be sealed anew."""
        head, _, _ = _split(sealed)
        return head[2:] == self.current.encode()

    def blind_index(self, kind: str, value: str) -> bytes:
        """The 32 bytes by which an alias of this kind is found."""
        key = _derived(self.index_secret, f"switch wallets index {kind}")
        return hmac.digest(key, value.encode(), "sha256")

    def keyed(self, digest: bytes) -> bytes:
        """A digest by which nobody without the key can try what it is of, 32 bytes."""
        return hmac.digest(_derived(self.index_secret, "switch wallets digest"), digest, "sha256")

    @property
    def index_fingerprint(self) -> bytes:
        """32 bytes that tell the secret of the indexes from any other, and nothing more."""
        return _derived(self.index_secret, "switch wallets index fingerprint")

    def _sealing_key(self, key_id: str) -> bytes:
        return _derived(self.secrets[key_id], "switch wallets seal")


def _split(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    """Version and key id, nonce, ciphertext. Raises SealedElsewhere."""
    head_end = 2 + sealed[1] if len(sealed) > 1 else 0
    nonce_end = head_end + NONCE_BYTES
    if sealed[:1] != VERSION or len(sealed) < nonce_end + TAG_BYTES:
        raise SealedElsewhere("this is no sealed value of a form that is known here")
    return sealed[:head_end], sealed[head_end:nonce_end], sealed[nonce_end:]


def _associated(head: bytes, place: Place) -> bytes:
    """Head, table, row and column, each with its length, so that no two places read the same."""
    parts = (head, place.table.encode(), place.row.bytes, place.column.encode())
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _derived(secret: bytes, label: str) -> bytes:
    """HKDF-Expand with SHA-256 (RFC 5869 §2.3) to its first block: the secret is random already."""
    return hmac.digest(secret, label.encode() + b"\x01", hashlib.sha256)
