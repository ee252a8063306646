"""Compact JWS: the vector of RFC 8037, and nothing taken that is not exactly of the profile."""

import json
from collections.abc import Callable

import pytest

from switch import jws, keyfile
from switch.limits import JWS_CHARS_MAX
from switch.signature import SigningKey, raw_signature, signing_key
from switch.structured import Fault

# RFC 8037, Appendix A.1 and A.4.
RFC_D = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
RFC_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC_PAYLOAD = b"Example of Ed25519 signing"
RFC_COMPACT = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
HEADER = {"alg": "EdDSA", "kid": "switch/one", "typ": "x"}


def rfc_key() -> SigningKey:
    """The private key of Appendix A.1."""
    seed = keyfile.from_base64url(RFC_D)
    assert seed is not None
    return signing_key("rfc", seed)


def token_of(header: bytes, payload: bytes = b"{}") -> str:
    """A token with any header, signed all the same: only its form can be refused."""
    signed = f"{keyfile.base64url(header)}.{keyfile.base64url(payload)}"
    return f"{signed}.{keyfile.base64url(raw_signature(signed.encode(), rfc_key()))}"


def fault_of(token: str) -> str:
    """Why a token is not read."""
    read = jws.read(token)
    assert isinstance(read, Fault), read
    return read.detail


def test_the_vector_of_rfc_8037_is_signed_and_verified() -> None:
    """Appendix A: the same bytes come out, and they verify with the JWK of A.2 alone."""
    assert jws.sign({"alg": "EdDSA"}, RFC_PAYLOAD, rfc_key()) == RFC_COMPACT
    public = keyfile.parse_jwk({"kty": "OKP", "crv": "Ed25519", "x": RFC_X, "kid": "rfc"})
    read = jws.read(RFC_COMPACT)
    assert isinstance(read, jws.Jws)
    assert (read.header, read.payload) == ({"alg": "EdDSA"}, RFC_PAYLOAD)
    assert jws.is_by(read, public.public_key)


def test_what_was_changed_is_not_by_the_key() -> None:
    """A change of any character is refused as a form, or does not verify."""
    public = keyfile.from_base64url(RFC_X)
    assert public is not None
    for place, character in enumerate(RFC_COMPACT):
        for other in ("A", "B", "_", "."):
            changed = f"{RFC_COMPACT[:place]}{other}{RFC_COMPACT[place + 1 :]}"
            read = jws.read(changed)
            if other != character and isinstance(read, jws.Jws):
                assert not jws.is_by(read, public), changed


@pytest.mark.parametrize("alg", ["none", "HS256", "ES256", "eddsa", "Ed25519", "", None, 1, []])
def test_there_is_one_algorithm(alg: object) -> None:
    """A header cannot choose another, nor none."""
    header = json.dumps({**HEADER, "alg": alg}).encode()
    assert "alg EdDSA" in fault_of(token_of(header))
    assert "alg EdDSA" in fault_of(token_of(b'{"kid":"switch/one"}'))


@pytest.mark.parametrize("name", ["crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "zip", "cty"])
def test_a_header_brings_nothing_of_its_own(name: str) -> None:
    """No key, no address and no extension is taken from the text that is to be checked."""
    own = {"kty": "OKP", "crv": "Ed25519", "x": RFC_X, "kid": "switch/one"}
    value = {"crit": ["exp"], "b64": False, "jwk": own}.get(name, "https://switch.example/")
    assert name in fault_of(token_of(json.dumps({**HEADER, name: value}).encode()))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b'{"alg":"EdDSA","alg":"EdDSA"}', "given once"),
        (b'{"alg":"none","alg":"EdDSA"}', "given once"),
        (b'{"alg":"EdDSA","kid":"a","\\u006bid":"b"}', "given once"),
        (b'{"alg":"EdDSA","kid":NaN}', "given once"),
        (b'{"alg":"EdDSA","kid":7}', "not a text"),
        (b'{"alg":"EdDSA","kid":"\xff"}', "not JSON"),
        (b'["EdDSA"]', "not a JSON object"),
        (b"", "not JSON"),
        (b"[" * 2000, "not JSON"),
    ],
)
def test_a_header_that_can_be_read_in_two_ways(header: bytes, words: str) -> None:
    """Members given twice, other types and what is no JSON are refused."""
    assert words in fault_of(token_of(header))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda token: f"{token}=", "padding"),
        (lambda token: f"{token}==", "padding"),
        (lambda token: token.replace("_", "/").replace("-", "+"), "padding"),
        (lambda token: f"{token}\n", "padding"),
        (lambda token: f" {token}", "padding"),
        (lambda token: f"{token[:-1]}h", "padding"),  # bits that stand for nothing
        (lambda token: f"\N{FULLWIDTH DIGIT ONE}{token}", "padding"),
        (lambda token: token[:-2], "64 bytes"),
        (lambda token: f"{token}AAAA", "64 bytes"),
        (lambda token: token.rpartition(".")[0], "three parts"),
        (lambda token: f"{token}.", "three parts"),
        (lambda token: json.dumps({"payload": token}), "padding"),
        (lambda token: "", "three parts"),
        (lambda token: "." * JWS_CHARS_MAX, "three parts"),
        (lambda token: token + "A" * JWS_CHARS_MAX, "longer"),
    ],
)
def test_a_form_that_is_not_the_compact_one(spoil: Callable[[str], str], words: str) -> None:
    """Base64url as RFC 7515 writes it, three parts, a signature of 64 bytes, a bounded length."""
    assert words in fault_of(spoil(RFC_COMPACT))


def test_what_is_too_long_is_never_signed() -> None:
    """Nothing is handed out that its own reader would refuse."""
    with pytest.raises(AssertionError, match="can be read"):
        jws.sign(HEADER, b"x" * JWS_CHARS_MAX, rfc_key())
    with pytest.raises(AssertionError, match="another header"):
        jws.sign({**HEADER, "jku": "x"}, b"x", rfc_key())
