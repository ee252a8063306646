"""The fast and the general way read the same, and no bytes make either raise or dawdle."""

import random
import time
from collections.abc import Iterator

from multidict import CIMultiDict

from switch.components import RequestParts, plain_names
from switch.digest import check_digest
from switch.errors import Problem
from switch.limits import HEADER_LINE_BYTES_MAX
from switch.signature import (
    bind_request,
    find_candidate,
    parse_idempotency_key,
    read_common,
    read_general,
)
from tests.unit.signed_message import AUTHORITY, CREATED, KEY_ID, REQUIRED, Message, found

PIECES = (
    *(f'"{name}"' for name in (*REQUIRED, "@query", "host", "content-type", "x")),
    *"() ;=,:\"\\'?@*%\t\n\r\0é0aA-_.",
    ";sf",
    ";bs",
    ';key="a"',
    ";req",
    'keyid="',
    KEY_ID,
    "created=",
    "00",
    "1.5",
    "?1",
    ":AAAA:",
    ";created=1",
    ";expires=99999999999",
    'alg="ed25519"',
    "sig1=",
    "  ",
)
FIELDS = ("Signature-Input", "Signature", "Content-Digest", "Idempotency-Key", "x")


def common_message(dice: random.Random) -> Message:
    """A message in the common form: a random order, label, key, with or without body and query."""
    method = dice.choice(["GET", "POST"])
    query = dice.choice([None, "", "limit=2&after=x%20y"])
    body = dice.choice([b"", b"{}", b'{"amount":1}'])
    key = dice.choice([None, "k", '"k"', r'"a\"b"'])
    covered = ["@method", "@authority", "@path"]
    covered += ["@query"] if query is not None or dice.random() < 0.2 else []
    covered += ["content-digest"] if body else []
    covered += ["idempotency-key"] if key is not None else []
    dice.shuffle(covered)
    alg = dice.choice(["", ';alg="ed25519"'])
    return Message(
        method=method,
        query=query,
        body=body,
        key=key,
        covered=tuple(covered),
        label=dice.choice(["sig", "sig1", "*a-b_c.d9"]),
        parameters=f';created={CREATED};keyid="{KEY_ID}"{alg}',
    )


def parts_of(message: Message, headers: CIMultiDict[str]) -> RequestParts:
    """A message as the readers see it."""
    return RequestParts(
        method=message.method,
        scheme="https",
        authority=AUTHORITY,
        path=message.path,
        query=message.query,
        headers=headers,
    )


def known(key_id: str) -> bool:
    """Whether a key id is registered."""
    return key_id == KEY_ID


def test_both_ways_read_common_messages_the_same(seed: int) -> None:
    """Every message of the common form takes the fast way, and the general one reads the same."""
    dice = random.Random(seed)
    for _ in range(2_000):
        message = common_message(dice)
        headers = message.headers()
        parts = parts_of(message, headers)
        bound = bind_request(parts)
        assert not isinstance(bound, Problem)
        fast = read_common(parts, bound, known)
        general = read_general(parts, bound, known)
        assert fast is not None, headers
        assert not isinstance(general, Problem), (headers, general)
        assert fast == (general[0], plain_names(general[1])), headers


UNCOMMON = (
    ("(", "(  "),
    (")", ' "x" "x";key="a" "host" "x";bs)'),
    (";keyid", ";expires=1900000000;keyid"),
    (";created", ';nonce="a\\"b";created'),
    (";keyid", "; keyid"),
    ("sig", 'other=("@nothing");keyid="x", sig'),
    (";created=", ";created=0"),
    (KEY_ID, KEY_ID.replace("-", "\\-")),
)


def mutated(text: str, dice: random.Random) -> str:
    """A text with one to three places cut out, doubled or replaced by pieces of the grammar."""
    for _ in range(dice.randint(1, 3)):
        start = dice.randint(0, len(text))
        end = min(len(text), start + dice.choice([0, 0, 1, 1, 2, 10, 60]))
        text = text[:start] + dice.choice(["", text[start:end] * 2, *PIECES, *PIECES]) + text[end:]
    return text


def mutations(dice: random.Random, rounds: int) -> Iterator[tuple[Message, CIMultiDict[str]]]:
    """Messages whose header fields were damaged after they were signed."""
    for _ in range(rounds):
        message = common_message(dice)
        headers = message.but(lines=(("x", "a=1, b"),)).headers()
        if dice.random() < 0.5:
            before, after = dice.choice(UNCOMMON)
            field = headers["Signature-Input"]
            headers["Signature-Input"] = field.replace(before, after, 1)
        for _ in range(dice.randint(0, 2)):
            name = dice.choice(FIELDS)
            if dice.random() < 0.1:
                headers.add(name, mutated(headers.get(name, ""), dice))
            else:
                headers[name] = mutated(headers.get(name, ""), dice)
        yield message, headers


def test_both_ways_agree_on_damaged_messages(seed: int, long_run: bool) -> None:
    """What the fast way accepts at all, the general way reads the same; neither ever raises."""
    dice = random.Random(seed)
    fast_ones = general_ones = 0
    for message, headers in mutations(dice, 100_000 if long_run else 6_000):
        parts = parts_of(message, headers)
        bound = bind_request(parts)
        if isinstance(bound, Problem):
            assert found(message, headers) == bound
            continue
        fast = read_common(parts, bound, known)
        general = read_general(parts, bound, known)
        if fast is not None:
            assert not isinstance(general, Problem), (headers, general)
            assert fast == (general[0], plain_names(general[1])), headers
        fast_ones += fast is not None
        general_ones += fast is None and not isinstance(general, Problem)
        answer = found(message, headers)
        assert isinstance(answer, Problem) or answer == (fast or general)[0]  # type: ignore[index]
        check_digest(bound.content_digest, message.body)
        parse_idempotency_key(bound.idempotency_key)
    assert fast_ones > 100, "the damage leaves enough messages that take the fast way"
    assert general_ones > 100, "and enough that take the general one"


def test_random_bytes_are_refused(seed: int) -> None:
    """Whatever bytes a header holds, the answer is a problem and never an exception."""
    dice = random.Random(seed)
    for _ in range(3_000):
        headers = Message().headers()
        for name in FIELDS[: dice.randint(1, 5)]:
            length = dice.choice([0, 1, 5, 50, 500])
            headers[name] = dice.randbytes(length).decode("utf-8", "surrogateescape")
        assert isinstance(found(Message(), headers), Problem)


ABSURD = (
    "a," * 5_000,
    "a=" + "(" * 8_000,
    "a=(" + '"x" ' * 2_000 + ")",
    "sig1=(" + '"x";key="a" ' * 300 + f');created={CREATED};keyid="{KEY_ID}"',
    "sig1=()" + ";a" * 2_000,
    "sig1=()" + "".join(f";a{number}" for number in range(700)),
    ", ".join(f"s{number}=()" for number in range(500)),
    'sig1=("' + "\\\\" * 2_000 + '")',
    'sig1=("' + " " * 4_000 + '")',
    " " * HEADER_LINE_BYTES_MAX,
    " \r\n" * 2_000,
    "sig1=:" + "A" * 4_000 + ":",
    "sig1=" + "9" * 4_000,
    'a=%"' + "%aa" * 1_300 + '"',
    "\t" * 4_000 + ",",
)


def test_absurd_fields_are_refused_soon() -> None:
    """Long and nested nonsense costs milliseconds; the generous bound only catches explosions."""
    begun = time.perf_counter()
    for value in ABSURD:
        for name in FIELDS:
            headers = Message(covered=(*REQUIRED, "x"), lines=(("x", "a=1"),)).headers()
            headers[name] = value
            find_candidate(
                method="POST",
                authority=AUTHORITY,
                path="/v1/payments",
                query=None,
                headers=headers,
                has_body=True,
                is_known_key=known,
            )
            check_digest(value, b"{}")
            parse_idempotency_key(value)
    assert time.perf_counter() - begun < 10


def test_many_structured_parts_of_long_fields_are_refused_soon() -> None:
    """Covering members of many long fields does not make the switch parse them all."""
    names = [f"x{number}" for number in range(30)]
    headers = Message().headers()
    for name in names:
        headers[name] = "a=1, " + ", ".join(f"k{number}=1" for number in range(500))
    covered = " ".join(f'"{name}";key="a"' for name in names)
    headers["Signature-Input"] = f'sig1=({covered});created={CREATED};keyid="{KEY_ID}"'
    begun = time.perf_counter()
    problem = found(Message(), headers)
    assert isinstance(problem, Problem)
    assert problem.name == "signature-invalid"
    assert time.perf_counter() - begun < 1
