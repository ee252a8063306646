"""The examples that the standards print: RFC 9421, RFC 9530, RFC 8037."""

import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from multidict import CIMultiDict

from switch import keyfile
from switch.components import BoundRequest, ReplyParts, RequestParts, signature_base
from switch.digest import check_digest
from switch.errors import Problem
from switch.signature import Candidate, read_general, sign_bytes, signing_key, verify, verify_bytes
from switch.structured import Fault, parse_dictionary

# RFC 9421 appendix B.1.
ED25519_PRIVATE = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
"""
ED25519_PUBLIC = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----
"""
RSA_PSS_PUBLIC = b"""-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----
"""
P256_X = "qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA"
P256_Y = "Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0"
HMAC_KEY = (
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)

# RFC 9421 appendix B.2: the request and the answer that the examples sign.
REQUEST_DIGEST = (
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+Abw"
    "AgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
)
REPLY_DIGEST = (
    "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GT"
    "sPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:"
)
HEADERS = CIMultiDict(
    {
        "Host": "example.com",
        "Date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "Content-Type": "application/json",
        "Content-Digest": REQUEST_DIGEST,
        "Content-Length": "18",
    }
)
REPLY_HEADERS = CIMultiDict(
    {
        "Date": "Tue, 20 Apr 2021 02:07:56 GMT",
        "Content-Type": "application/json",
        "Content-Digest": REPLY_DIGEST,
        "Content-Length": "23",
    }
)
BOUND = BoundRequest(
    method="POST",
    path="/foo",
    query="param=Value&Pet=dog",
    content_digest=REQUEST_DIGEST,
    idempotency_key=None,
)


def request(
    headers: CIMultiDict[str] = HEADERS,
    *,
    method: str = "POST",
    path: str = "/foo",
    query: str | None = "param=Value&Pet=dog",
) -> RequestParts:
    """The test-request of appendix B.2, or a part of it changed."""
    return RequestParts(
        method=method,
        scheme="https",
        authority="example.com",
        path=path,
        query=query,
        headers=headers,
    )


def base_of(parts: RequestParts | ReplyParts, signature_input: str) -> list[str]:
    """The lines of the signature base for the first signature of a Signature-Input field."""
    parsed = parse_dictionary(signature_input)
    assert not isinstance(parsed, Fault)
    base = signature_base(parts, next(iter(parsed.values())))
    assert isinstance(base, str), base
    return base.split("\n")


def test_ed25519_example_verifies_and_is_made_again() -> None:
    """RFC 9421 B.2.6: the printed signature verifies, and the same key gives the same bytes."""
    signature_input = (
        'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    signature = (
        ":wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"
    )
    headers = HEADERS.copy()
    headers["Signature-Input"] = signature_input
    headers["Signature"] = f"sig-b26={signature}"
    reading = read_general(request(headers), BOUND, {"test-key-ed25519"}.__contains__)
    assert not isinstance(reading, Problem), reading
    candidate, _ = reading
    assert candidate.base.decode().split("\n") == [
        '"date": Tue, 20 Apr 2021 02:07:55 GMT',
        '"@method": POST',
        '"@path": /foo',
        '"@authority": example.com',
        '"content-type": application/json',
        '"content-length": 18',
        '"@signature-params": ' + signature_input.removeprefix("sig-b26="),
    ]
    assert verify(candidate, keyfile.parse_public_pem(ED25519_PUBLIC))
    seed = keyfile.parse_private_pem(ED25519_PRIVATE)
    assert sign_bytes(candidate.base, signing_key("test-key-ed25519", seed)) == signature
    assert isinstance(candidate, Candidate)


def test_minimal_example_gives_the_printed_base() -> None:
    """RFC 9421 B.2.1: nothing covered but the parameters."""
    parameters = '();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"'
    assert base_of(request(), f"sig-b21={parameters}") == [f'"@signature-params": {parameters}']


RSA_EXAMPLES = {
    "B.2.2": (
        'sig-b22=("@authority" "content-digest" "@query-param";name="Pet")'
        ';created=1618884473;keyid="test-key-rsa-pss";tag="header-example"',
        "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7Grc"
        "QEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7"
        "KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNr"
        "CQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTla"
        "qwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJ"
        "csIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVk"
        "SFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==",
    ),
    "B.2.3": (
        'sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" '
        '"content-length");created=1618884473;keyid="test-key-rsa-pss"',
        "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0y"
        "BiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5"
        "p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxS"
        "mme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aY"
        "A2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvK"
        "vfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+Q"
        "IF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
    ),
}


@pytest.mark.parametrize("section", RSA_EXAMPLES)
def test_rsa_examples_verify_over_our_base(section: str) -> None:
    """RFC 9421 B.2.2 and B.2.3: the printed signatures, of another algorithm, fit our base."""
    signature_input, signature = RSA_EXAMPLES[section]
    base = "\n".join(base_of(request(), signature_input)).encode()
    key = serialization.load_pem_public_key(RSA_PSS_PUBLIC)
    assert isinstance(key, rsa.RSAPublicKey)
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=64)
    key.verify(base64.b64decode(signature), base, pss, hashes.SHA512())  # raises when it does not


def test_answer_example_verifies_over_our_base() -> None:
    """RFC 9421 B.2.4: an answer, signed with ECDSA."""
    parts = ReplyParts(status=200, headers=REPLY_HEADERS, request=BOUND)
    lines = base_of(
        parts,
        'sig-b24=("@status" "content-type" "content-digest" "content-length")'
        ';created=1618884473;keyid="test-key-ecc-p256"',
    )
    signature = base64.b64decode(
        "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw=="
    )
    x, y = (int.from_bytes(base64.urlsafe_b64decode(number + "=")) for number in (P256_X, P256_Y))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    key.verify(encode_dss_signature(r, s), "\n".join(lines).encode(), ec.ECDSA(hashes.SHA256()))


def test_hmac_example_fits_our_base() -> None:
    """RFC 9421 B.2.5: a shared secret over the date, the authority and the type."""
    lines = base_of(
        request(),
        'sig-b25=("date" "@authority" "content-type")'
        ';created=1618884473;keyid="test-shared-secret"',
    )
    made = hmac.new(base64.b64decode(HMAC_KEY), "\n".join(lines).encode(), "sha256").digest()
    assert base64.b64encode(made) == b"pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="


def test_header_examples_give_the_printed_lines() -> None:
    """RFC 9421 §2.1 to §2.1.3: space, folds, several lines, members, strict and binary forms."""
    headers = CIMultiDict(
        [
            ("X-OWS-Header", "  Leading and trailing whitespace.   "),
            ("X-Obs-Fold-Header", "Obsolete\r\n    line folding."),
            ("Cache-Control", "max-age=60"),
            ("Cache-Control", "   must-revalidate"),
            ("Example-Dict", "  a=1,    b=2;x=1;y=2,   c=(a   b    c), d"),
            ("X-Empty-Header", ""),
            ("Example-Header", "value, with, lots"),
            ("Example-Header", "of, commas"),
            ("Priority", "u=1,    i;x=1"),
        ]
    )
    lines = base_of(
        request(headers),
        'sig=("x-ows-header" "x-obs-fold-header" "cache-control" "example-dict" "x-empty-header" '
        '"example-dict";key="a" "example-dict";key="d" "example-dict";key="b" '
        '"example-dict";key="c" "example-header";bs "example-header" "priority";sf)',
    )
    assert lines[:-1] == [
        '"x-ows-header": Leading and trailing whitespace.',
        '"x-obs-fold-header": Obsolete line folding.',
        '"cache-control": max-age=60, must-revalidate',
        '"example-dict": a=1,    b=2;x=1;y=2,   c=(a   b    c), d',
        '"x-empty-header": ',
        '"example-dict";key="a": 1',
        '"example-dict";key="d": ?1',
        '"example-dict";key="b": 2;x=1;y=2',
        '"example-dict";key="c": (a b c)',
        '"example-header";bs: :dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:',
        '"example-header": value, with, lots, of, commas',
        '"priority";sf: u=1, i;x=1',
    ]


def test_query_examples_give_the_printed_lines() -> None:
    """RFC 9421 §2.2.2 to §2.2.8: the target in all its forms and single query parameters."""
    parts = request(
        method="GET",
        path="/parameters",
        query="var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace"
        "&fa%C3%A7ade%22%3A%20=something",
    )
    lines = base_of(
        parts,
        'sig=("@query-param";name="var" "@query-param";name="bar" '
        '"@query-param";name="fa%C3%A7ade%22%3A%20" "@scheme")',
    )
    assert lines[:-1] == [
        '"@query-param";name="var": this%20is%20a%20big%0Amultiline%20value',
        '"@query-param";name="bar": with%20plus%20whitespace',
        '"@query-param";name="fa%C3%A7ade%22%3A%20": something',
        '"@scheme": https',
    ]
    whole = base_of(request(query="param=value"), 'sig=("@target-uri" "@request-target" "@query")')
    assert whole[:-1] == [
        '"@target-uri": https://example.com/foo?param=value',
        '"@request-target": /foo?param=value',
        '"@query": ?param=value',
    ]
    bare = base_of(request(path="", query=None), 'sig=("@target-uri" "@path" "@query")')
    assert bare[:-1] == ['"@target-uri": https://example.com/', '"@path": /', '"@query": ?']


def test_digest_examples_fit() -> None:
    """RFC 9530 appendix D and RFC 9421 appendix B.2: printed digests of printed bodies."""
    body = b'{"hello": "world"}\n'
    sha256 = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    assert check_digest(sha256, body) == hashlib.sha256(body).digest()
    without_line_end = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
    both = f"{REQUEST_DIGEST}, {without_line_end}"
    assert check_digest(both, body[:-1]) == hashlib.sha256(body[:-1]).digest()
    assert isinstance(check_digest(both, body), Problem)


def test_jose_examples_fit() -> None:
    """RFC 8037 appendix A: the private key gives the public JWK, and the printed signature fits."""
    seed = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    public = keyfile.public_key(seed)
    published = keyfile.jwk(keyfile.PublicKey(key_id="switch/1", public_key=public))
    assert (published["kty"], published["crv"], published["x"]) == ("OKP", "Ed25519", x)
    assert keyfile.parse_jwk(published).public_key == public
    message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    signature = base64.urlsafe_b64decode(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg=="
    )
    assert verify_bytes(message, signature, public)
    made = sign_bytes(message, signing_key("switch/1", seed))
    assert made == f":{base64.b64encode(signature).decode()}:"
