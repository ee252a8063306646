"""The curve: two libraries agree, nobody else's signature passes, and no key is one of everybody.

One library verifies because it is faster, another one signs. Verifying is cofactored, as RFC 8032
writes it (5.1.7), so keys outside the main subgroup must never get in.
"""

import hashlib
from random import Random

import pytest
from nacl import bindings
from nacl.exceptions import BadSignatureError

from switch import keyfile
from switch.errors import SwitchError
from switch.signature import raw_signature, signing_key, verify_bytes

ROUNDS = 300
SEED = 8032
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493  # RFC 8032, 5.1
FIELD_PRIME = 2**255 - 19

# RFC 8032, 7.1: seed, public key, message, signature.
EXAMPLES = {
    "of nothing": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "of a byte": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
}

# Points to which signatures of anything can be made without any secret: of order 1, 2, 4 and 8,
# and others in a form that is not theirs.
NOBODYS_KEYS = {
    "order 1": (1).to_bytes(32, "little"),
    "order 2": (FIELD_PRIME - 1).to_bytes(32, "little"),
    "order 4": bytes(32),
    "order 8": bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    "order 1, not reduced": (FIELD_PRIME + 1).to_bytes(32, "little"),
    "no point": (2).to_bytes(32, "little"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_the_standard(name: str) -> None:
    """Signed to the byte, and verified."""
    seed, public, message, signature = (bytes.fromhex(part) for part in EXAMPLES[name])
    key = signing_key("a/b", seed)
    assert keyfile.public_key(seed) == public
    assert raw_signature(message, key) == signature
    assert verify_bytes(message, signature, public)


def test_what_one_library_refuses_the_other_does_too() -> None:
    """Signatures as they are, and with a bit turned in signature, message or key."""
    random = Random(SEED)
    seen = {True: 0, False: 0}
    for number in range(ROUNDS):
        key = signing_key("a/b", random.randbytes(32))
        public = keyfile.public_key(key.secret[:32])
        message = random.randbytes(random.randrange(400))
        signature = raw_signature(message, key)
        parts = [bytearray(part) for part in (signature, message or b"\x00", public)]
        if number % 4:
            part = parts[number % 4 - 1]
            part[random.randrange(len(part))] ^= 1 << random.randrange(8)
        else:
            parts[1] = bytearray(message)
        changed, said, by = (bytes(part) for part in parts)
        if not bindings.crypto_core_ed25519_is_valid_point(by):
            continue  # it is let in nowhere
        is_genuine = verify_bytes(said, changed, by)
        assert is_genuine is _by_the_other(said, changed, by), f"seed {SEED}, round {number}"
        seen[is_genuine] += 1
    assert min(seen.values()) >= ROUNDS // 8, f"seed {SEED}: {seen}"


def _by_the_other(message: bytes, signature: bytes, public: bytes) -> bool:
    try:
        bindings.crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True


def test_a_signature_has_one_form() -> None:
    """The same number, larger by the order of the group, is no second signature."""
    key = signing_key("a/b", hashlib.sha256(b"one form").digest())
    signature = raw_signature(b"once", key)
    number = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    other = signature[:32] + number.to_bytes(32, "little")
    public = keyfile.public_key(key.secret[:32])
    assert verify_bytes(b"once", signature, public)
    assert not verify_bytes(b"once", other, public)


@pytest.mark.parametrize("name", NOBODYS_KEYS)
def test_nothing_is_signed_by_a_key_of_nobody(name: str) -> None:
    """The signature that fits the key of order 1 for every message, and one of zeros."""
    for point in (1, 0):
        signature = point.to_bytes(32, "little") + bytes(32)
        assert not verify_bytes(b"anything", signature, NOBODYS_KEYS[name])


@pytest.mark.parametrize("name", NOBODYS_KEYS)
def test_a_key_of_nobody_is_let_in_nowhere(name: str) -> None:
    """Neither as PEM nor as JWK, however it comes."""
    public = NOBODYS_KEYS[name]
    with pytest.raises(SwitchError, match="not a valid Ed25519 key"):
        keyfile.parse_public_pem(keyfile.public_pem(public))
    published = keyfile.jwk(keyfile.PublicKey(key_id="a/b", public_key=public))
    with pytest.raises(SwitchError, match="not a valid Ed25519 key"):
        keyfile.parse_jwk(published)
