"""Key files and published keys: what is written can be read, here and by others; nothing else."""

import base64
import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from switch import keyfile
from switch.errors import SwitchError
from switch.limits import KEY_FILE_BYTES_MAX, PUBLISHED_KEYS_MAX

SEED = bytes(range(32))


@pytest.mark.parametrize("umask", [0, 0o777])
def test_private_key_is_written_for_its_owner_only(tmp_path: Path, umask: int) -> None:
    """The file has mode 0600 whatever the umask, and reads back as the same seed."""
    path = tmp_path / "key.pem"
    before = os.umask(umask)
    try:
        keyfile.write_private_key(path, SEED)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keyfile.read_private_key(path) == SEED


def test_private_key_is_never_overwritten(tmp_path: Path) -> None:
    """An existing file, or a link in its place, stays as it is."""
    path = tmp_path / "key.pem"
    path.write_text("precious")
    link = tmp_path / "link.pem"
    link.symlink_to(tmp_path / "elsewhere.pem")
    for taken in (path, link):
        with pytest.raises(SwitchError, match="never overwritten"):
            keyfile.write_private_key(taken, SEED)
    assert path.read_text() == "precious"
    assert not (tmp_path / "elsewhere.pem").exists()


def test_private_key_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(SwitchError, match="nowhere"):
        keyfile.write_private_key(tmp_path / "nowhere" / "key.pem", SEED)


def test_keys_fit_another_library() -> None:
    """The PEM forms are those of RFC 8410: the package cryptography reads and writes the same."""
    private = serialization.load_pem_private_key(keyfile.private_pem(SEED).encode(), None)
    assert isinstance(private, ed25519.Ed25519PrivateKey)
    assert private.private_bytes_raw() == SEED
    written = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    assert keyfile.parse_private_pem(written.decode()) == SEED
    public = private.public_key()
    assert keyfile.public_key(SEED) == public.public_bytes_raw()
    theirs = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
    assert keyfile.public_pem(public.public_bytes_raw()) == theirs
    assert keyfile.parse_public_pem(theirs) == public.public_bytes_raw()


def test_private_key_with_its_public_key_beside_is_read() -> None:
    """RFC 8410 §10.3: the second version of PKCS 8 may hold both; they must belong together."""

    def pem(public: bytes) -> str:
        der = keyfile.PKCS8_WITH_PUBLIC_PREFIX + SEED + keyfile.PKCS8_PUBLIC_MARK + public
        text = base64.b64encode(der).decode()
        return f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"

    assert keyfile.parse_private_pem(pem(keyfile.public_key(SEED))) == SEED
    with pytest.raises(SwitchError, match="not an Ed25519 private key"):
        keyfile.parse_private_pem(pem(keyfile.public_key(bytes(32))))


def pem_of(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    """A key of another kind, encrypted or not."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption(),
    ).decode()


def test_private_key_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Each mistake has its sentence, which names the file and says what to do."""
    other = ec.generate_private_key(ec.SECP256R1())
    good = keyfile.private_pem(SEED)
    mistakes = {
        "": "exactly one PEM block",
        good * 2: "exactly one PEM block",
        keyfile.public_pem(keyfile.public_key(SEED)): "exactly one PEM block",
        good.replace("MC4C", "MC4!"): "not base64",
        good.replace("MC4C", "MC4D"): "not an Ed25519 private key",
        pem_of(other): "not an Ed25519 private key",
        pem_of(other, b"secret"): "decrypt it first",
        good + "x" * KEY_FILE_BYTES_MAX: "at most",
    }
    path = tmp_path / "key.pem"
    for text, sentence in mistakes.items():
        path.write_text(text)
        with pytest.raises(SwitchError, match=sentence) as raised:
            keyfile.read_private_key(path)
        assert str(path) in str(raised.value)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SwitchError, match="PEM"):
        keyfile.read_private_key(path)
    with pytest.raises(SwitchError, match="switch key generate"):
        keyfile.read_private_key(tmp_path / "missing.pem")
    with pytest.raises(SwitchError, match="cannot read"):
        keyfile.read_private_key(tmp_path)


def test_public_key_that_does_not_fit_is_refused() -> None:
    """Other kinds of keys, and points that any signature could fit, are refused."""
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    theirs = other.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
    with pytest.raises(SwitchError, match="not an Ed25519 public key"):
        keyfile.parse_public_pem(theirs)
    small_order = bytes([1, *[0] * 31])
    with pytest.raises(SwitchError, match="not a valid"):
        keyfile.parse_public_pem(keyfile.public_pem(small_order))


def test_published_keys_are_read_back() -> None:
    """A JWK set keeps ids, keys and validity (whole seconds)."""
    keys = [
        keyfile.PublicKey(key_id="switch/1", public_key=keyfile.public_key(SEED)),
        keyfile.PublicKey(
            key_id="switch/2",
            public_key=keyfile.public_key(bytes(32)),
            not_before=datetime(2026, 11, 1, tzinfo=UTC),
            not_after=datetime(2027, 11, 1, tzinfo=UTC),
        ),
    ]
    document = keyfile.jwks_document(keys)
    assert keyfile.parse_jwks(document) == {key.key_id: key for key in keys}
    assert "d" not in json.loads(document)["keys"][0]


def test_published_keys_of_other_kinds_are_passed_over() -> None:
    """RFC 7517 §5: a set may hold keys that a reader does not understand."""
    document = b'{"keys":[{"kty":"RSA"},{"kty":"EC","crv":"P-256"},7]}'
    assert keyfile.parse_jwks(document) == {}


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        '{"keys":1}',
        "[" * 100_000,
        '{"keys":[{"crv":"Ed25519"}]}',
        '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AA"}]}',
        '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"!"}]}',
        '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":1}]}',
        json.dumps({"keys": [{}] * (PUBLISHED_KEYS_MAX + 1)}),
    ],
)
def test_published_keys_that_cannot_be_read_are_refused(document: str) -> None:
    """A broken document is one clear error."""
    with pytest.raises(SwitchError):
        keyfile.parse_jwks(document)


def test_published_key_with_an_odd_time_or_twice_is_refused() -> None:
    """A validity that cannot be read, or an id that names two keys, is never guessed about."""
    key = keyfile.PublicKey(key_id="switch/1", public_key=keyfile.public_key(SEED))
    for value in ("soon", 10**20, True):
        with pytest.raises(SwitchError, match="nbf"):
            keyfile.parse_jwk(keyfile.jwk(key) | {"nbf": value})
    with pytest.raises(SwitchError, match="twice"):
        keyfile.parse_jwks(keyfile.jwks_document([key, key]))


def test_seeds_are_random() -> None:
    """Two new keys are never the same."""
    assert len({keyfile.generate_seed() for _ in range(100)}) == 100
