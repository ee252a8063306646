"""Requests' signatures: what is accepted, and every refusal with its name."""

import base64
import hashlib

import pytest
from multidict import CIMultiDict

from switch.digest import check_digest
from switch.errors import Problem
from switch.limits import COVERED_COMPONENTS_MAX
from switch.signature import Candidate, check_age, parse_idempotency_key, verify
from tests.unit.signed_message import (
    BODY,
    CREATED,
    KEY_ID,
    NOW_US,
    PUBLIC_KEY,
    REQUIRED,
    Message,
    digest_of,
    found,
    refused,
)

PLAIN = Message()
LOOK_UP = Message(method="GET", body=b"", key=None, covered=("@method", "@authority", "@path"))
QUERY = LOOK_UP.but(query="limit=2", covered=("@method", "@authority", "@path", "@query"))

ACCEPTED = {
    "the common form": PLAIN,
    "with alg": PLAIN.but(parameters=PLAIN.parameters + ';alg="ed25519"'),
    "another order of components": PLAIN.but(covered=tuple(reversed(REQUIRED))),
    "another label": PLAIN.but(label="*my-bank.2_x"),
    "parameters in another order": PLAIN.but(parameters=f';keyid="{KEY_ID}";created={CREATED}'),
    "all parameters": PLAIN.but(
        parameters=PLAIN.parameters + f';expires={CREATED + 60};nonce="n\\"1";tag="payments"'
    ),
    "a bare key": PLAIN.but(key="order-1"),
    "no key, refused later in a signed answer": PLAIN.but(key=None, covered=REQUIRED[:4]),
    "a look-up": LOOK_UP,
    "a look-up with a query": QUERY,
    "a query that is empty": QUERY.but(query=""),
    "an operation without a body": PLAIN.but(body=b"", covered=(*REQUIRED[:3], REQUIRED[4])),
    "a further header": PLAIN.but(covered=(*REQUIRED, "date"), lines=(("date", "today"),)),
    "the target in its other forms": PLAIN.but(
        covered=(*REQUIRED, "@scheme", "@target-uri", "@request-target"),
        query=None,
        values={
            "@scheme": "https",
            "@target-uri": "https://127.0.0.1:8080/v1/payments",
            "@request-target": "/v1/payments",
        },
    ),
    "a percent-encoded path": LOOK_UP.but(path="/v1/payments/a%2Fb"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_signature_that_covers_enough_is_accepted(name: str) -> None:
    """Any order, any label, any allowed parameter and more than is required: all verify."""
    message = ACCEPTED[name]
    candidate = found(message)
    assert isinstance(candidate, Candidate), candidate
    assert candidate.base.decode() == message.base()
    assert candidate.key_id == KEY_ID
    assert candidate.label == message.label
    assert verify(candidate, PUBLIC_KEY)


@pytest.mark.parametrize("name", ["method", "authority", "path", "query"])
def test_signature_over_another_target_does_not_verify(name: str) -> None:
    """A signature is worth nothing for another method, switch, path or query."""
    signed = QUERY.headers()
    changed = {"method": "PUT", "authority": "other:1", "path": "/v1/accounts", "query": "limit=3"}
    candidate = found(QUERY.but(**{name: changed[name]}), signed)
    assert isinstance(candidate, Candidate)
    assert not verify(candidate, PUBLIC_KEY)


@pytest.mark.parametrize("field", ["Content-Digest", "Idempotency-Key"])
def test_signature_does_not_verify_after_a_covered_field_changed(field: str) -> None:
    """A covered field cannot be exchanged for another."""
    headers = PLAIN.headers()
    headers[field] = digest_of(b"{}") if field == "Content-Digest" else '"order-2"'
    candidate = found(PLAIN, headers)
    assert isinstance(candidate, Candidate)
    assert not verify(candidate, PUBLIC_KEY)


def test_signature_by_another_key_does_not_verify() -> None:
    """The key decides, not its name."""
    candidate = found(PLAIN)
    assert isinstance(candidate, Candidate)
    assert not verify(candidate, bytes.fromhex("d75a980182b10ab7d54bfed3c964073a") * 2)


@pytest.mark.parametrize("left_out", REQUIRED)
def test_signature_that_covers_too_little_is_refused_by_name(left_out: str) -> None:
    """What is not covered is named, so that an engineer sees what to add."""
    problem = found(PLAIN.but(covered=tuple(name for name in REQUIRED if name != left_out)))
    assert isinstance(problem, Problem)
    assert problem.name == "signature-incomplete"
    assert f'"{left_out}"' in problem.detail


def test_query_that_is_not_covered_is_refused() -> None:
    """Where the URL has a query, the query must be covered."""
    assert refused(QUERY.but(covered=LOOK_UP.covered)) == "signature-incomplete"


INVALID_PARAMETERS = {
    "no created": f';keyid="{KEY_ID}"',
    "created as text": f';created="{CREATED}";keyid="{KEY_ID}"',
    "created as decimal": f';created={CREATED}.0;keyid="{KEY_ID}"',
    "created as date": f';created=@{CREATED};keyid="{KEY_ID}"',
    "created as flag": f';created;keyid="{KEY_ID}"',
    "created twice": f';created={CREATED};created={CREATED};keyid="{KEY_ID}"',
    "keyid twice": f';created={CREATED};keyid="{KEY_ID}";keyid="{KEY_ID}"',
    "keyid as token": f";created={CREATED};keyid={KEY_ID}",
    "no keyid": f";created={CREATED}",
    "another alg": f';created={CREATED};keyid="{KEY_ID}";alg="hmac-sha256"',
    "alg as token": f';created={CREATED};keyid="{KEY_ID}";alg=ed25519',
    "an unknown parameter": f';created={CREATED};keyid="{KEY_ID}";x=1',
    "expires as text": f';created={CREATED};keyid="{KEY_ID}";expires="soon"',
    "a line end": f';created={CREATED};keyid="{KEY_ID}"\n"@method": GET',
    "not closed": f';created={CREATED};keyid="{KEY_ID}',
    "beyond ASCII": f';created={CREATED};keyid="{KEY_ID}";nonce="é"',
    "sixteen digits": f';created=1000000000000000;keyid="{KEY_ID}"',
}


@pytest.mark.parametrize("name", INVALID_PARAMETERS)
def test_parameters_that_break_a_rule_are_refused(name: str) -> None:
    """Parameters have one type each, stand once, and unknown ones are not passed over."""
    assert refused(PLAIN.but(parameters=INVALID_PARAMETERS[name])) == "signature-invalid"


INVALID_COMPONENTS = {
    "twice": '"@path" "@path"',
    "twice with parameters in another order": '"x";sf;key="a" "x";key="a";sf',
    "unknown": '"@nothing"',
    "not there": '"x-missing"',
    "of an answer": '"@status"',
    "of the request of an answer": '"@method";req',
    "of a trailer": '"x";tr',
    "the parameters themselves": '"@signature-params"',
    "in upper case": '"X"',
    "without a name": '""',
    "a token": "x",
    "a number": "1",
    "binary and structured at once": '"x";bs;sf',
    "a flag that is false": '"x";sf=?0',
    "no such member": '"x";key="b"',
    "a key that is a token": '"x";key=a',
    "not known to be structured": '"x";sf',
    "a query parameter without a name": '"@query-param"',
    "a query parameter that is not there": '"@query-param";name="a"',
    "a derived component with a parameter": '"@path";sf',
}


@pytest.mark.parametrize("name", INVALID_COMPONENTS)
def test_components_that_cannot_be_understood_are_refused(name: str) -> None:
    """A component that is unknown, absent, doubled or oddly parametrised is never passed over."""
    headers = PLAIN.but(lines=(("x", "a=1"),)).headers()
    headers["Signature-Input"] = f"sig1=({INVALID_COMPONENTS[name]}){PLAIN.parameters}"
    assert refused(PLAIN, headers) == "signature-invalid"


def test_query_parameter_given_twice_cannot_be_covered() -> None:
    """RFC 9421 §2.2.8: which of the two is meant would be guessed."""
    headers = QUERY.headers()
    headers["Signature-Input"] = f'sig1=("@query-param";name="a"){PLAIN.parameters}'
    once, twice = QUERY.but(query="a=1"), QUERY.but(query="a=1&a=2")
    assert refused(once, headers) == "signature-incomplete"
    assert refused(twice, headers) == "signature-invalid"


def test_number_of_components_is_bounded() -> None:
    """As many as are allowed are read, one more is refused."""
    names = [f"x-{number}" for number in range(COVERED_COMPONENTS_MAX - len(REQUIRED) + 1)]
    lines = tuple((name, "1") for name in names)
    assert refused(PLAIN.but(covered=(*REQUIRED, *names[:-1]), lines=lines)) == ""
    most = PLAIN.but(covered=(*REQUIRED, *names), lines=lines)
    assert refused(most) == "signature-invalid"


def test_no_signature_is_refused() -> None:
    """Each of the two fields is needed."""
    for field in ("Signature", "Signature-Input"):
        headers = PLAIN.headers()
        del headers[field]
        assert refused(PLAIN, headers) == "signature-missing"


def test_signature_field_that_does_not_fit_is_refused() -> None:
    """Another label, another length, another type or no base64: all are invalid."""
    headers = PLAIN.headers()
    short = base64.b64encode(bytes(63)).decode()
    for value in ("other=:AAAA:", "sig1=:AAAA:", f"sig1=:{short}:", 'sig1="x"', "sig1=:!:", ""):
        headers["Signature"] = value
        assert refused(PLAIN, headers) == "signature-invalid", value


def test_key_that_nobody_registered_is_refused() -> None:
    """An unknown key id is named, also beside others."""
    parameters = f';created={CREATED};keyid="stranger/1"'
    problem = found(PLAIN.but(parameters=parameters))
    assert isinstance(problem, Problem)
    assert problem.name == "key-unknown"
    assert "stranger/1" in problem.detail


def test_signature_of_a_proxy_may_stand_beside() -> None:
    """Signatures by keys that are not registered here are nobody's business."""
    headers = PLAIN.headers()
    for name, value in (
        ("Signature-Input", 'proxy=("@nonsense";x);keyid="proxy/1", other=1'),
        ("Signature", "proxy=:AAAA:"),
    ):
        headers.add(name, value)
    candidate = found(PLAIN, headers)
    assert isinstance(candidate, Candidate)
    assert verify(candidate, PUBLIC_KEY)


def test_two_signatures_by_registered_keys_are_ambiguous() -> None:
    """Which of two participants is meant is never guessed."""
    headers = PLAIN.headers()
    both = PLAIN.signature_input().replace(KEY_ID, "bank-of-qingdao/old")
    headers["Signature-Input"] += f", second={both}"
    assert refused(PLAIN, headers) == "signature-ambiguous"
    headers.add("Signature", headers["Signature"].replace("sig1", "second"))
    assert refused(PLAIN, headers) == "signature-ambiguous"


def test_label_given_twice_is_refused() -> None:
    """The last of two equal labels would win for one reader and the first for another."""
    headers = PLAIN.headers()
    headers.add("Signature-Input", headers["Signature-Input"])
    assert refused(PLAIN, headers) == "signature-invalid"


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\x00b", "é", "\udcff", "a\x7f"])
def test_bytes_that_could_forge_a_base_are_refused(value: str) -> None:
    """No value may bring line ends or bytes beyond ASCII into a signature base."""
    for field in ("Content-Digest", "Idempotency-Key"):
        headers = PLAIN.headers()
        headers[field] = value
        assert refused(PLAIN, headers) == "malformed-message"
    covering = PLAIN.but(covered=(*REQUIRED, "date"), lines=(("date", "x"),))
    headers = covering.headers()
    headers["date"] = value
    assert refused(covering, headers) == "signature-invalid"
    assert refused(PLAIN.but(path=f"/{value}"), PLAIN.headers()) == "malformed-message"


def test_space_and_folding_around_a_value_do_not_matter() -> None:
    """RFC 9421 §2.1: outer space goes, an obsolete fold is one space, lines join by a comma."""
    covering = PLAIN.but(
        covered=(*REQUIRED, "x"), lines=(("x", "one two, three"),), values={"x": "one two, three"}
    )
    headers = covering.headers()
    headers["Content-Digest"] = f" \t{headers['Content-Digest']} "
    headers["Idempotency-Key"] = f"{headers['Idempotency-Key']}\t"
    headers["Signature-Input"] = f" {headers['Signature-Input']} "
    del headers["x"]
    headers.extend([("x", " one \r\n\ttwo"), ("x", "three ")])
    candidate = found(covering, headers)
    assert isinstance(candidate, Candidate)
    assert candidate.base.decode() == covering.base()


def test_body_without_a_digest_is_refused() -> None:
    """A body nobody digested is bound to nothing."""
    headers = PLAIN.headers()
    del headers["Content-Digest"]
    assert refused(PLAIN, headers) == "digest-missing"
    assert check_digest(None, BODY) == found(PLAIN, headers)


def test_digest_of_the_body_is_given_back() -> None:
    """The request's digest is the SHA-256 of its bytes, of an absent body too."""
    assert check_digest(digest_of(BODY), BODY) == hashlib.sha256(BODY).digest()
    assert check_digest(None, b"") == hashlib.sha256(b"").digest()
    assert check_digest(digest_of(b""), b"") == hashlib.sha256(b"").digest()
    both = f"{digest_of(BODY, 'sha-512')}, {digest_of(BODY)};x=1, md5=:AAAA:"
    assert check_digest(both, BODY) == hashlib.sha256(BODY).digest()


DIGESTS = {
    digest_of(b"{}"): "digest-mismatch",
    f"{digest_of(BODY)}, {digest_of(b'{}', 'sha-512')}": "digest-mismatch",
    "sha-256=:AAAA:": "digest-mismatch",
    'sha-256="x"': "digest-mismatch",
    "sha-256": "digest-mismatch",
    "sha-256=(1 2)": "digest-mismatch",
    digest_of(BODY, "sha-512"): "digest-missing",
    "": "digest-missing",
    f"{digest_of(BODY)}, {digest_of(BODY)}": "malformed-message",
    "sha-256=:!:": "malformed-message",
    "SHA-256=x": "malformed-message",
    "x" * 10_000: "malformed-message",
}


@pytest.mark.parametrize("field", DIGESTS)
def test_digest_that_does_not_fit_is_refused(field: str) -> None:
    """Each way a digest can be wrong has its own name."""
    problem = check_digest(field, BODY)
    assert isinstance(problem, Problem)
    assert problem.name == DIGESTS[field]


def age(now_s: float, parameters: str = PLAIN.parameters) -> str:
    """The problem a signature has at a time; "" when it has none."""
    candidate = found(PLAIN.but(parameters=parameters))
    assert isinstance(candidate, Candidate)
    problem = check_age(candidate, now_us=int(now_s * 1_000_000), age_s_max=300, ahead_s_max=60)
    return problem.name if problem else ""


def test_signature_is_accepted_within_its_time_only() -> None:
    """300 seconds old and 60 ahead are just right; a microsecond more is not."""
    assert age(CREATED + 300) == ""
    assert age(CREATED + 300.000001) == "signature-expired"
    assert age(CREATED - 60) == ""
    assert age(CREATED - 60.000001) == "signature-expired"
    expires = f"{PLAIN.parameters};expires={CREATED + 5}"
    assert age(CREATED + 5, expires) == ""
    assert age(CREATED + 5.000001, expires) == "signature-expired"
    assert age(NOW_US / 1_000_000, f';created=-1;keyid="{KEY_ID}"') == "signature-expired"


KEYS = {
    '"order-1"': "order-1",
    "order-1": "order-1",
    r'"a\"b\\c"': r'a"b\c',
    r'a"b\c': r'a"b\c',
    "a,b;c=1": "a,b;c=1",
    "x" * 64: "x" * 64,
    f'"{"x" * 64}"': "x" * 64,
}


@pytest.mark.parametrize("field", KEYS)
def test_idempotency_key_is_the_same_quoted_or_bare(field: str) -> None:
    """Quotes are the structured field's, not the key's."""
    assert parse_idempotency_key(field) == KEYS[field]


@pytest.mark.parametrize(
    "field",
    ["x" * 65, f'"{"x" * 65}"', '""', '"a', "a b", '"a b"', '"a";x=1', r'"a\b"', '"a", "b"', '"'],
)
def test_idempotency_key_that_is_none_is_refused(field: str) -> None:
    """Too long, empty, with spaces, with parameters or sent twice: no key."""
    problem = parse_idempotency_key(field)
    assert isinstance(problem, Problem)
    assert (problem.name, problem.field) == ("malformed-message", "Idempotency-Key")


def test_idempotency_key_that_is_absent_is_missing() -> None:
    """A POST without its key is refused by that name."""
    for field in (None, ""):
        problem = parse_idempotency_key(field)
        assert isinstance(problem, Problem)
        assert problem.name == "idempotency-key-missing"


def test_idempotency_key_sent_twice_is_refused() -> None:
    """Two lines of the field combine to a value that is no key."""
    headers = PLAIN.headers()
    headers.add("Idempotency-Key", '"order-2"')
    candidate = found(PLAIN, headers)
    assert isinstance(candidate, Candidate)
    assert candidate.bound.idempotency_key == '"order-1", "order-2"'
    assert isinstance(parse_idempotency_key(candidate.bound.idempotency_key), Problem)


def test_headers_may_be_of_any_case() -> None:
    """Field names have no case."""
    headers = CIMultiDict((name.upper(), value) for name, value in PLAIN.headers().items())
    assert isinstance(found(PLAIN, headers), Candidate)
