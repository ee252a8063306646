"""Readers of strangers' bytes as pure functions: whatever goes in, a value or a refusal comes out.

No other exception, no refusal that cannot be rendered, no input within the bounds that takes long.
"""

import json
import random
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from aiohttp.http import RawRequestMessage
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from multidict import CIMultiDict

from switch import keyfile, limits, lookups, receipt
from switch.admission import media_type_refusal
from switch.batch_message import decode_batch
from switch.config import normal_authority
from switch.connection import target
from switch.digest import check_digest, digest_field
from switch.endpoint import _template
from switch.errors import Problem
from switch.introduction import find_pair
from switch.key_message import decode_key
from switch.keyfile import PublicKey
from switch.message import (
    decode_account,
    decode_bar,
    decode_capture,
    decode_empty,
    decode_payment,
    decode_refund,
    is_text,
)
from switch.reply import refused
from switch.requests import path_id, read_position, read_query
from switch.signature import (
    Candidate,
    check_age,
    find_candidate,
    parse_idempotency_key,
    raw_signature,
    signing_key,
    verify,
)
from switch.structured import Fault, parse, serialise
from tests.fuzz import body_corpus, query_corpus, signature_corpus

EXAMPLES = 300
LONG_TIMES = 30
WORST_S_MAX = 2.0  # of processor time for one reading; all of them take milliseconds
KINDS = ("dictionary", "list", "item")
FIELDS = (
    "Signature-Input", "Signature", "Content-Digest", "Idempotency-Key", "Content-Type", "Host",
    "x",
)  # fmt: skip
KNOWN = "bank/one"
DECODERS = (
    decode_payment, decode_account, decode_capture, decode_refund, decode_bar, decode_empty,
)  # fmt: skip
CONTENT: dict[str, object] = {
    "type": "transfer",
    "payer": "019376a0-0000-7000-8000-000000000000",
    "payee": "019376a0-0000-7000-8000-000000000001",
    "amount": 1,
    "currency": "CNY",
    "expires_at": "2030-01-01T00:00:00Z",
    "metadata": {"a": "b"},
}
COVERED = ['"@method"', '"@authority"', '"@path"', '"@query"', '"content-digest"', '"x"', '"x";bs']
PIECES = [
    *'()<>;=,:"\\?@*%.-_ \t\r\n\x00\x7f\xe9\udcff',
    *("sig", "sha-256", ":AAAA:", '"a"', "?1", "1", "1.5", "@1", '%"a"', "created=1", "keyid="),
    ";sf",
    *(f'keyid="{KNOWN}"', f':{"A" * 86}==:', '("@method" "@path")', '"@query-param";name="a"'),
    *('"content-digest"', '"idempotency-key";bs', "sha-512=", ";req", "expires=1", 'alg="ed25519"'),
]  # fmt: skip

# A field line as the server's parser hands it over: UTF-8, what is none as lone surrogates.
lines = st.one_of(
    st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.sampled_from(signature_corpus.ODD_FIELDS),
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join),
)
strange = st.lists(st.tuples(st.sampled_from(FIELDS), lines), max_size=8).map(CIMultiDict)
components = st.lists(
    st.sampled_from([*COVERED, '"x";sf', '"x";key="a"', '"@method";x']), max_size=4
)
extras = st.sampled_from(
    ["", ';alg="ed25519"', ";expires=1", ';nonce="n"', ';tag="t"', ";created=2"]
)


def _nearly_right(
    names: list[str], extra: str, others: list[tuple[str, str]]
) -> "CIMultiDict[str]":
    fields = CIMultiDict(others)
    covered = " ".join(COVERED[:3] + names)
    parameters = f'({covered});created=1;keyid="{KNOWN}"{extra}'
    fields.add("Signature-Input", f"sig={parameters}")
    fields.add("Signature", f"sig=:{'A' * 86}==:")
    fields.add("Content-Digest", digest_field(b"{}"))
    return fields


others = st.lists(st.tuples(st.sampled_from(["Idempotency-Key", "x", "Host"]), lines), max_size=3)
headers = strange | st.builds(_nearly_right, components, extras, others)
texts = st.one_of(st.text(max_size=200), lines)
queries = st.one_of(texts, st.sampled_from(query_corpus.QUERIES))
randoms = st.randoms(use_true_random=False)
bodies = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([value.encode("utf-8", "surrogatepass") for value in body_corpus.ODD_VALUES]),
    randoms.map(lambda rng: body_corpus.mutated(CONTENT, rng)),
    randoms.map(lambda rng: body_corpus.mutated({"amount": 1, "final": True}, rng)),
    randoms.map(lambda rng: body_corpus.mutated({"idempotency_key": "k"}, rng)),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(lambda value: json.dumps(value).encode()),
)


@pytest.fixture
def holds(seed: int, long_run: bool) -> Callable[..., None]:
    """Tries a property on the first example, if one is given, and on others from the run's seed."""
    count = EXAMPLES * (LONG_TIMES if long_run else 1)
    profile = settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    def check(
        claim: Callable[..., None],
        *strategies: st.SearchStrategy[Any],
        first: tuple[object, ...] | None = None,
    ) -> None:
        if first is not None:
            claim(*first)
        profile(seeded(seed)(given(*strategies)(claim)))()

    return check


def check_refusal(problem: Problem) -> None:
    """It can be told: in JSON of a bounded size."""
    assert len(refused(problem).body) < 4 * limits.DETAIL_CHARS_MAX


def test_signatures_are_found_or_refused(holds: Callable[..., None]) -> None:
    """Any header fields are a candidate for the curve, or a problem."""
    candidates = []

    def claim(fields: "CIMultiDict[str]", path: str, query: str | None, has_body: bool) -> None:
        found = find_candidate(
            method="POST" if has_body else "GET",
            authority="127.0.0.1:8080",
            path=path,
            query=query,
            headers=fields,
            has_body=has_body,
            is_known_key=KNOWN.__eq__,
        )
        if isinstance(found, Problem):
            check_refusal(found)
            return
        assert isinstance(found, Candidate)
        candidates.append(found)
        assert found.key_id == KNOWN
        assert found.base.count(b'"@signature-params"') >= 1
        assert not verify(found, bytes(32)), "nobody has signed this"
        refusal = check_age(found, now_us=10**15, age_s_max=300, ahead_s_max=60)
        assert refusal is None or refusal.name == "signature-expired"

    paths = st.just("/v1/payments") | texts
    first = (_nearly_right(['"content-digest"'], "", []), "/v1/payments", None, True)
    holds(claim, headers, paths, st.none() | queries, st.booleans(), first=first)
    assert candidates, "the first was nearly right"


def test_two_signatures_are_found_or_refused(holds: Callable[..., None]) -> None:
    """Any header fields are two candidates of one participant, or a problem."""
    candidates = []

    def claim(fields: "CIMultiDict[str]") -> None:
        for name in ("Signature-Input", "Signature"):
            for line in fields.getall(name, []):
                second = line.replace("sig=", "new=", 1).replace(KNOWN, f"{KNOWN}-new")
                fields.add(name, second)
        found = find_pair(
            method="POST",
            authority="127.0.0.1:8080",
            path="/v1/keys",
            query=None,
            headers=fields,
            has_body=True,
            is_known_key=KNOWN.__eq__,
            is_valid_key=lambda _: False,
        )
        if isinstance(found, Problem):
            check_refusal(found)
            return
        assert found.second is not None
        candidates.append(found)
        assert (found.key_id, found.second.key_id) == (KNOWN, f"{KNOWN}-new")

    holds(claim, headers, first=(_nearly_right(['"content-digest"'], "", []),))
    assert candidates, "the first was nearly right"


def test_structured_fields_are_read_or_faults(holds: Callable[..., None]) -> None:
    """Any text is a value whose canonical form reads as itself, or a fault."""

    def claim(text: str, kind: str) -> None:
        parsed = parse(text, kind)
        if isinstance(parsed, Fault):
            return
        canonical = serialise(parsed)
        if canonical and not isinstance(canonical, Fault):  # an empty list has no canonical form
            assert serialise(parse(canonical, kind)) == canonical

    holds(claim, texts, st.sampled_from(KINDS))


def test_digests_and_keys_are_read_or_refused(holds: Callable[..., None]) -> None:
    """Any text is the digest of the body, an idempotency key of visible ASCII, or a problem."""

    def claim(text: str | None, body: bytes) -> None:
        digest = check_digest(text, body)
        if isinstance(digest, Problem):
            check_refusal(digest)
        key = parse_idempotency_key(text)
        if isinstance(key, Problem):
            check_refusal(key)
        else:
            assert 1 <= len(key) <= limits.IDEMPOTENCY_KEY_CHARS_MAX
            assert all("!" <= character <= "~" for character in key)

    holds(claim, st.none() | texts, st.binary(max_size=20))


DECODERS = (
    decode_payment,
    decode_account,
    decode_capture,
    decode_refund,
    decode_bar,
    decode_empty,
)


def test_bodies_are_read_or_refused(holds: Callable[..., None]) -> None:
    """Any bytes are a message within its bounds that reads the same rewritten, or a problem."""

    def claim(body: bytes) -> None:
        for decode in DECODERS:
            message = decode(body)
            if isinstance(message, Problem):
                check_refusal(message)
                continue
            assert decode(msgspec.json.encode(message)) == message
        payment = decode_payment(body)
        if not isinstance(payment, Problem):
            assert type(payment.amount) is int
            assert limits.AMOUNT_MIN <= payment.amount <= limits.AMOUNT_MAX
            assert is_text(payment.reference or "")
            assert is_text(
                "".join(f"{key}{text}" for key, text in (payment.metadata or {}).items())
            )

    holds(claim, bodies)


def test_batches_are_read_or_refused(holds: Callable[..., None]) -> None:
    """Any bytes are a batch or a problem; what stands in one for a payment comes out as it is."""
    read = []

    def claim(body: bytes, before: bytes) -> None:
        for batch in (body, b'{"payments": [' + body + b"]}", before + body):
            found = decode_batch(batch)
            if isinstance(found, Problem):
                check_refusal(found)
        item = b'{"idempotency_key": "a:b", "payment": ' + body + b"}"
        payments = decode_batch(b'{"payments": [' + item + b", " + item + b"]}")
        if isinstance(payments, Problem):
            check_refusal(payments)
            return
        read.append(body)
        assert [bytes(one.body) for one in payments] == [body.strip(b" \t\r\n")] * 2

    beginnings = st.sampled_from(
        [b'{"payments":', b'{"payments":[{"idempotency_key":"a","payment":']
    )
    holds(claim, bodies, beginnings, first=(json.dumps(CONTENT).encode(), b""))
    assert read, "the first was a payment"


def test_targets_are_read_or_refused(holds: Callable[..., None]) -> None:
    """Any target is a path and a query of known values, or a problem."""
    readers = {**lookups._PAYMENT_READERS, "position": read_position}

    def claim(text: str, query: str, host: str) -> None:
        raw = SimpleNamespace(path=text, headers=CIMultiDict(Host=host))
        _, path, _ = target(cast(RawRequestMessage, raw))
        if _template(path) != path:
            assert isinstance(path_id(path), UUID | None)
        values = read_query(query, readers)
        if isinstance(values, Problem):
            check_refusal(values)
        else:
            assert values.keys() <= readers.keys()
        normal_authority(host, scheme="http")

    targets = st.one_of(texts, texts.map(lambda text: f"/v1/accounts/{text}"))
    ascii_queries = queries.filter(str.isascii)  # all that a verified request has
    holds(claim, targets, ascii_queries, texts)


def test_receipts_are_read_or_faults(holds: Callable[..., None]) -> None:
    """Any text, and any header and payload with a good signature, is a receipt or a sentence."""
    seed = bytes(32)
    signing = signing_key("switch/one", seed)
    public = PublicKey(key_id="switch/one", public_key=keyfile.public_key(seed))
    header = {"alg": "EdDSA", "kid": "switch/one", "typ": receipt.TYPE}

    def check(token: str) -> None:
        found = receipt.verify(token, {"switch/one": public})
        assert isinstance(found, Fault)
        assert found.detail.isprintable()

    def claim(text: str, content: bytes, at_header: bool) -> None:
        check(text)
        parts = [json.dumps(header).encode(), content]
        signed = ".".join(map(keyfile.base64url, parts[::-1] if at_header else parts))
        check(f"{signed}.{keyfile.base64url(raw_signature(signed.encode(), signing))}")

    for content in (b'{"payment":"\\ud800"}', b'{"\\ud800":1}'):
        claim("", content, at_header=False)
        claim("", content, at_header=True)
    holds(claim, texts, bodies, st.booleans())


def test_media_types_are_read_or_refused(holds: Callable[..., None]) -> None:
    """Any Content-Type says JSON in UTF-8, or is refused."""

    def claim(fields: "CIMultiDict[str]") -> None:
        refusal = media_type_refusal(fields)
        if refusal is None:
            assert fields["Content-Type"].lower().strip().startswith("application/json")
        else:
            check_refusal(refusal)

    holds(claim, headers)


def test_nothing_within_the_bounds_takes_long(seed: int) -> None:
    """The worst bodies, fields and queries are read in milliseconds, whatever they repeat."""
    rng = random.Random(seed)
    pieces = [
        *PIECES,
        '{"a":',
        "[",
        '"a":"b",',
        "\\u0061",
        "\\ud800",
        " - at `$",
        "`",
        "a=b&",
        "%41",
    ]
    pieces += ["".join(rng.choices(pieces, k=3)) for _ in range(30)]
    slow = []
    for piece in pieces:
        field = piece * (limits.SIGNATURE_FIELD_BYTES_MAX // len(piece))
        body = (piece * (limits.BODY_BYTES_MAX // len(piece))).encode("utf-8", "surrogateescape")
        body = body[: limits.BODY_BYTES_MAX]
        fields = CIMultiDict(dict.fromkeys(FIELDS, field))
        for name, read in _readings(field, body, fields).items():
            started_s = time.process_time()
            read()
            if time.process_time() - started_s > WORST_S_MAX:
                slow.append(f"{name} of many {piece!r}")
    assert not slow


def _readings(
    field: str, body: bytes, fields: "CIMultiDict[str]"
) -> dict[str, Callable[[], object]]:
    """Every reader, given something long."""
    as_name = b'{"' + body[: limits.BODY_BYTES_MAX - 8].replace(b'"', b"") + b'": 1}'
    batch = b'{"payments": [{"idempotency_key": "k", "payment": ' + body * 16 + b"}]}"
    as_text = json.dumps(CONTENT | {"description": field}).encode()
    return {
        "signature": lambda: find_candidate(
            method="POST",
            authority="a",
            path="/",
            query=field,
            headers=fields,
            has_body=True,
            is_known_key=lambda _: True,
        ),
        "two signatures": lambda: find_pair(
            method="POST",
            authority="a",
            path="/",
            query=field,
            headers=fields,
            has_body=True,
            is_known_key=lambda _: True,
            is_valid_key=lambda _: True,
        ),
        "structured fields": lambda: [parse(field, kind) for kind in KINDS],
        "digest": lambda: check_digest(field, b"{}"),
        "key": lambda: parse_idempotency_key(field),
        "body": lambda: decode_payment(body),
        "key in a body": lambda: decode_key(body),
        "name in a body": lambda: decode_payment(as_name),
        "text in a body": lambda: decode_payment(as_text),
        "batch": lambda: decode_batch(batch),
        "query": lambda: read_query(field, lookups._PAYMENT_READERS),
        "value in a query": lambda: read_query(f"reference={field}", lookups._PAYMENT_READERS),
        "media type": lambda: media_type_refusal(fields),
    }
