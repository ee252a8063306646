"""Batches on the wire: what is wrong around the payments, and the bytes of each of them."""

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from switch import limits
from switch.batch_message import BatchAnswer, BatchItemAnswer, decode_batch
from switch.errors import Problem

NAMES = ("payments", "idempotency_key", "payment", "a:b", "")

TEXTS = st.text(max_size=8) | st.sampled_from(NAMES)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def batch(*items: str, around: str = '{{"payments": [{}]}}') -> bytes:
    """A batch of these texts."""
    return around.format(", ".join(items)).encode()


def item(key: str = '"k"', payment: str = "{}") -> str:
    """A well-formed item; both are JSON texts."""
    return f'{{"idempotency_key": {key}, "payment": {payment}}}'


def refusal(body: bytes) -> tuple[str, str | None]:
    """What is said against a batch, and which field is named."""
    decoded = decode_batch(body)
    assert isinstance(decoded, Problem), decoded
    assert decoded.name == "malformed-message"
    return decoded.detail, decoded.field


@pytest.mark.parametrize(
    "payment",
    ["{}", '{"a" :\n1 }', '"a:b:c"', "[1, 2 ,3]", "null", "-0.0e1", '{"a": 1, "a": 2}', "9" * 5000],
)
def test_a_payment_is_the_bytes_between_what_stands_around_it(payment: str) -> None:
    """White space within it belongs to it, white space around it does not, whatever it holds."""
    body = batch(
        item(),
        f'{{ "payment"\t:\n {payment}\r , "idempotency_key" : "x:y" }}',
        item('"last"', payment),
    )
    decoded = decode_batch(body)
    assert not isinstance(decoded, Problem)
    assert [one.key for one in decoded] == ["k", "x:y", "last"]
    assert [bytes(one.body) for one in decoded] == [b"{}", payment.encode(), payment.encode()]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('"a"', "a"),
        (
            '"' + "k" * limits.IDEMPOTENCY_KEY_CHARS_MAX + '"',
            "k" * limits.IDEMPOTENCY_KEY_CHARS_MAX,
        ),
        ('"order\\/1"', "order/1"),
        ('"\\u0061:\\u003a"', "a::"),
        ('"\\"~!"', '"~!'),
    ],
)
def test_a_key_is_what_the_text_says(text: str, key: str) -> None:
    """Escapes are no other key, and none of them hides a member that is given twice."""
    decoded = decode_batch(batch(item(text)))
    assert not isinstance(decoded, Problem)
    assert [one.key for one in decoded] == [key]
    assert isinstance(decode_batch(batch(item(f'"k", "idempotency_key": {text}'))), Problem)


@pytest.mark.parametrize(
    "text",
    ["1", "null", "true", "[]", "{}", '""', '"a b"', '" a"', '"é"', '"\\u0000"', '"\\n"',
     '"\\u00e9"', '"' + "k" * 65 + '"', '"\x7f"'],
)  # fmt: skip
def test_a_key_that_is_none_is_named_with_its_place(text: str) -> None:
    """1 to 64 visible ASCII characters, as in the header; anything else is the batch's fault."""
    detail, field = refusal(batch(item(), item(text)))
    assert "visible ASCII" in detail
    assert field == "payments[1].idempotency_key"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"[]", None),
        (b"{}", "payments"),
        (b"null", None),
        (b'{"payments": {}}', "payments"),
        (b'{"payments": null}', "payments"),
        (b'{"payments": []}', "payments"),
        (b'{"payments": [1]}', "payments[0]"),
        (batch(item(), "{}"), "payments[1].idempotency_key"),
        (batch('{"idempotency_key": "k"}'), "payments[0].payment"),
        (batch(item('"k", "more": 1')), "payments[0].more"),
        (batch(item(), around='{{"payments": [{}], "more": 1}}'), "more"),
        (batch(item(), around='{{"payments": [{}]}} {{}}'), None),
        (batch(item(payment="01")), None),
        (batch(item(payment="")), None),
        (batch(item(payment="[" * 20_000 + "]" * 20_000)), None),
        (b"\xef\xbb\xbf" + batch(item()), None),
        (
            b'{"payments": [{"idempotency_key": "\xff", "payment": 1}]}',
            "payments[0].idempotency_key",
        ),
    ],
)
def test_what_is_wrong_around_the_payments_is_wrong_with_the_batch(
    body: bytes, field: str | None
) -> None:
    """Wrong types, unknown members, missing ones: named, and nothing of the batch is read on."""
    assert refusal(body)[1] == field


@pytest.mark.parametrize(
    "body",
    [
        f'{{"payments": [{item()}], "payments": [{item()}]}}'.encode(),
        f'{{"p\\u0061yments": [{item()}], "payments": [{item()}]}}'.encode(),
        batch(item(), item('"a", "idempotency_key": "b"')),
        batch(item(payment='{}, "payment": {}'), item()),
        batch(item(payment='{"a": 1}, "p\\u0061yment": 1')),
        batch(item('"a:b", "idempotency_key": "\\u003a\\u003a"')),
        batch(item(payment='1, "payment": "a:b"')),
    ],
)
def test_a_member_around_the_payments_that_is_given_twice_is_refused(body: bytes) -> None:
    """Readers differ about which of the two counts, however its name is written."""
    assert "given twice" in refusal(body)[0]


def test_a_batch_has_a_bound() -> None:
    """A thousand payments, not one more."""
    most = limits.BATCH_PAYMENTS_MAX
    decoded = decode_batch(batch(*[item()] * most))
    assert not isinstance(decoded, Problem)
    assert len(decoded) == most
    assert refusal(batch(*[item()] * (most + 1)))[1] == "payments"


def members(text: bytes) -> Any:
    """The values of a JSON text, each object as the list of its members."""
    return json.loads(text, object_pairs_hook=lambda pairs: ("object", pairs))


def strict(body: bytes) -> list[tuple[str, Any]] | None:
    """Keys and payments as a slow and strict reader finds them; None when he refuses."""
    kind, pairs = members(body)
    if kind != "object" or [name for name, _ in pairs] != ["payments"]:
        return None
    found = []
    for one in pairs[0][1]:
        names = sorted(name for name, _ in one[1])
        if names != ["idempotency_key", "payment"]:
            return None
        values = dict(one[1])
        key = values["idempotency_key"]
        if not isinstance(key, str) or not 1 <= len(key) <= 64:
            return None
        if not all("!" <= letter <= "~" for letter in key):
            return None
        found.append((key, values["payment"]))
    return found or None


def written(rng: random.Random, pairs: list[tuple[str, str]]) -> str:
    """An object of these members, its names and the space between as the seed will have it."""

    def blank() -> str:
        return rng.choice(["", "", " ", "\n\t"])

    def name(text: str) -> str:
        return "".join(
            f"\\u{ord(letter):04x}" if rng.random() < 0.1 else json.dumps(letter)[1:-1]
            for letter in text
        )

    inner = ",".join(
        f'{blank()}"{name(key)}"{blank()}:{blank()}{value}{blank()}' for key, value in pairs
    )
    return f"{{{inner}}}"


def test_any_batch_is_read_as_a_strict_reader_reads_it(seed: int) -> None:
    """Whatever stands in keys and payments, and whatever members are given beside or twice."""
    seen = set()

    def claim(
        rng: random.Random, entries: list[tuple[str, Any]], spoilt: list[tuple[int, str, Any]]
    ) -> None:
        body = made(rng, entries, spoilt)
        expected = strict(body)
        decoded = decode_batch(body)
        seen.add(expected is None)
        if isinstance(decoded, Problem):
            assert expected is None, (decoded, body)
            return
        assert expected is not None, body
        assert [(one.key, members(bytes(one.body))) for one in decoded] == expected
        assert all(bytes(one.body) in body for one in decoded)

    entries = st.lists(st.tuples(st.sampled_from(["k", "a:b", ":", "é"]), VALUES), max_size=4)
    spoilt = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(NAMES), VALUES), max_size=2)
    tried = given(st.randoms(use_true_random=False), entries, spoilt)(claim)
    settings(max_examples=600, deadline=None, database=None)(seeded(seed)(tried))()
    assert seen == {True, False}, "right and wrong ones were read"


def made(
    rng: random.Random, entries: list[tuple[str, Any]], spoilt: list[tuple[int, str, Any]]
) -> bytes:
    """A batch of these, with members more where the second list says."""
    items = [
        [("idempotency_key", json.dumps(key)), ("payment", json.dumps(value))]
        for key, value in entries
    ]
    top: list[tuple[str, str]] = []
    for place, name, value in spoilt:
        (items[place] if place < len(items) else top).append((name, json.dumps(value)))
    for pairs in items:
        rng.shuffle(pairs)
    texts = [written(rng, pairs) for pairs in items]
    top.append(("payments", f"[{', '.join(texts)}]"))
    rng.shuffle(top)
    return written(rng, top).encode()


def test_an_answer_holds_the_bytes_of_each_body() -> None:
    """What a payment was answered stands in the batch's answer as it is."""
    body = '{"b" : 1,  "a":"é"}'.encode()
    answer = BatchItemAnswer(
        idempotency_key="k", status=201, replayed=False, body=msgspec.Raw(body)
    )
    text = msgspec.json.encode(BatchAnswer(answers=[answer]))
    assert text == (
        b'{"answers":[{"idempotency_key":"k","status":201,"replayed":false,"body":' + body + b"}]}"
    )
