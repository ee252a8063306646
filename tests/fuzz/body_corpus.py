"""Bodies that are wrong inside: each goes out with a right digest and a right signature.

`odd_bodies` is a list that was thought out, `mutated` one that a seed makes without end.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

Content = dict[str, object]

# What may stand for a value where something else is due, as JSON text.
ODD_VALUES = (
    "null", "true", "false", "0", "-0", "-1", "1", "1.0", "1.5", "1e2", "1E400", "-1e-400",
    "1e999999", "01", "+1", ".5", "1.", "0x10", "1_000", "NaN", "Infinity", "-Infinity",
    "9007199254740993", "1000000000000000", "1000000000000001", "9223372036854775807",
    "9223372036854775808", "18446744073709551616", "-9223372036854775809", "9" * 400, "9" * 5000,
    "1" + "0" * 20_000, '""', '" "', '"1"', '"true"', '"null"', '"\\u0000"', '"a\\u0000b"',
    '"\\ud800"', '"\\udc00"', '"\\ud800\\udc00"', '"\\udc00\\ud800"', '"\\uD800x"', '"\\u00"',
    '"\\x00"', '"\\"', '"\\n"', '"\\u007f"', '"\\u0085"', '"\\u2028"', '"\\ufeff"', '"\\uffff"',
    '"\\u202e"', '"é"', '"é"', '"你"', '"🏦"', '"' + "a" * 34 + '"', '"' + "a" * 35 + '"',
    '"' + "a" * 64 + '"', '"' + "a" * 65 + '"', '"' + "你" * 140 + '"', '"' + "🏦" * 141 + '"',
    '"' + "a" * 60_000 + '"', "[]", "[[]]", "{}", '{"a": 1}', '{"": ""}', '{"a": null}',
    '{"a": "b", "a": "c"}', '{"a": "b", "\\u0061": "c"}', '{"\\u0000": "a"}', '{"\\ud800": "a"}',
    '{"a": "\\ud800"}', '{"' + "k" * 41 + '": ""}', '{"k": "' + "v" * 201 + '"}',
    json.dumps({f"k{number}": "v" for number in range(10)}),
    json.dumps({f"k{number}": "v" for number in range(11)}),
    json.dumps({f"k{number}": "v" for number in range(4000)}), "[" * 20_000,
    "[" * 20_000 + "]" * 20_000, '{"a":' * 9_000, '{"a":' * 9_000 + "1" + "}" * 9_000, "'a'", "a",
    "undefined", "", ",", "]", "}", "/* a */ 1", '"a" // b',
    '"00000000-0000-0000-0000-000000000000"', '"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"',
    '"{00000000-0000-0000-0000-000000000000}"', '"00000000000000000000000000000000"',
    '"urn:uuid:00000000-0000-0000-0000-000000000000"', '"0000000-00000-0000-0000-000000000000"',
    '"purchase"', '"refund"', '"Purchase"', '"issue"', '"CNY"', '"cny"', '"XXX"', '"ZZZ"', '"USD"',
    '"CNYY"', '"C\\u0000Y"', '"2026-11-01T08:00:00Z"', '"2026-11-01T08:00:00"',
    '"2026-11-01 08:00:00Z"', '"2026-11-01"', '"0001-01-01T00:00:00+23:59"',
    '"0001-01-01T00:00:00Z"', '"9999-12-31T23:59:59.999999-23:59"', '"9999-12-31T23:59:59Z"',
    '"10000-01-01T00:00:00Z"', '"2026-13-01T00:00:00Z"', '"2026-02-30T00:00:00Z"',
    '"2026-11-01T24:00:00Z"', '"2026-12-31T23:59:60Z"', '"2026-11-01T08:00:00.123456789012345678Z"',
    '"2026-11-01T08:00:00+24:00"', '"2026-11-01T08:00:00-00:00"', '"2026-11-01T08:00:00,5Z"',
    '"-2026-11-01T08:00:00Z"', '"2026-W44-7T08:00:00Z"', '"٢٠٢٦-11-01T08:00:00Z"', '"now"',
    '"infinity"',
)  # fmt: skip

FIELDS = (
    "type", "payer", "payee", "amount", "currency", "capture", "hold_seconds", "expires_at",
    "reference", "payee_reference", "description", "metadata",
)  # fmt: skip


def odd_fields(content: Content) -> Iterator[tuple[str, bytes]]:
    """Every field with every odd value, one at a time."""
    for name in FIELDS:
        for value in ODD_VALUES:
            others = {key: text for key, text in content.items() if key != name}
            text = json.dumps(others)[:-1] + f', "{name}": {value}}}'
            yield f"{name} = {value[:40]}", text.encode("utf-8", "surrogatepass")


def odd_bodies(content: Content) -> Iterator[tuple[str, bytes]]:
    """Bodies that are not one JSON object in UTF-8, or name what is not known, or name it twice."""
    text = json.dumps(content)
    raw = text.encode()
    for encoding in (
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-32-be",
        "utf-8-sig",
        "utf-7",
    ):
        yield encoding, json.dumps(content | {"description": "é"}).encode(encoding)
    for name, piece in (
        ("half a character", b"\xe4\xbd"), ("a stray byte", b"\x80"), ("overlong", b"\xc0\xaf"),
        ("overlong NUL", b"\xc0\x80"), ("surrogates in UTF-8", b"\xed\xa0\x80\xed\xb0\x80"),
        ("beyond Unicode", b"\xf4\x90\x80\x80"), ("five bytes", b"\xf8\x88\x80\x80\x80"),
        ("0xFF", b"\xff"), ("NUL", b"\x00"), ("line feed", b"\n"), ("escape", b"\x1b"),
        ("C1", b"\xc2\x85"), ("noncharacter", b"\xef\xbf\xbf"),
    ):  # fmt: skip
        for field in ("reference", "currency", "payer", "unknown"):
            yield f"{name} in {field}", raw[:-1] + f', "{field}": "a'.encode() + piece + b'"}'
        yield f"{name} in a name", raw[:-1] + b', "a' + piece + b'": 1}'
        yield f"{name} before", piece + raw
        yield f"{name} after", raw + piece
    yield from (
        (f"whole body {body[:30]}", body.encode("utf-8", "surrogatepass")) for body in ODD_VALUES
    )
    yield from ((f"cut at {place}", raw[:place]) for place in range(0, len(raw), 5))
    yield from _odd_objects(content, raw)


def _odd_objects(content: Content, raw: bytes) -> Iterator[tuple[str, bytes]]:
    for name, value in content.items():
        member = json.dumps({name: value})[1:-1]
        escaped = f'"\\u{ord(name[0]):04x}{name[1:]}": {json.dumps(value)}'
        yield f"{name} twice", raw[:-1] + f", {member}}}".encode()
        yield f"{name} twice, once escaped", raw[:-1] + f", {escaped}}}".encode()
        yield f"{name} twice, first another", b'{"' + name.encode() + b'": null, ' + raw[1:]
        less = {key: text for key, text in content.items() if key != name}
        yield f"without {name}", json.dumps(less).encode()
        yield f"{name} in capitals", json.dumps(less | {name.upper(): value}).encode()
        yield f"{name} with blanks", json.dumps(less | {f" {name} ": value}).encode()
    for name in (
        "id",
        "status",
        "amount_held",
        "__class__",
        "__proto__",
        "",
        " ",
        "a" * 60_000,
        "$.amount`",
    ):
        yield f"unknown {name[:20]}", json.dumps(content | {name: 1}).encode()
    yield "two documents", raw + raw
    yield "a list of one", b"[" + raw + b"]"
    yield "trailing comma", raw[:-1] + b",}"
    yield "no closing", raw[:-1]
    yield "blanks to the bound", b" " * (65_536 - len(raw)) + raw
    yield "10,000 members", json.dumps(content | {f"k{n}": 1 for n in range(5_000)}).encode()
    yield "10,000 colons", json.dumps(content | {"description": ":" * 10_000}).encode()
    yield "colons in text", json.dumps(content | {"description": '":":' * 20}).encode()


# --- mutations --------------------------------------------------------------------------

_PIECES = [value.encode("utf-8", "surrogatepass") for value in ODD_VALUES if len(value) < 100]
_PIECES += [
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b'"',
    b"\\",
    b"\\u",
    b"\x00",
    b"\xff",
    b"e",
    b"-",
    b".",
]


def mutated(content: Content, rng: random.Random) -> bytes:
    """A payment after one to four changes of its values or of its bytes."""
    if rng.random() < 0.5:
        body = json.dumps(_with_odd_values(content, rng)).encode("utf-8", "surrogatepass")
    else:
        body = json.dumps(content).encode()
    for _ in range(rng.randrange(0, 4)):
        body = mutated_bytes(body, rng)
    return body


def _with_odd_values(content: Content, rng: random.Random) -> Content:
    changed = dict(content)
    for _ in range(rng.randrange(1, 4)):
        name = rng.choice(FIELDS if rng.random() < 0.5 else list(content))
        changed[name] = _odd_value(rng, 0)
        if rng.random() < 0.1:
            del changed[name]
    return changed


def _odd_value(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(8 if depth < 3 else 6)
    match kind:
        case 0:
            return rng.choice([None, True, False])
        case 1:
            return rng.choice([1, -1]) * rng.randrange(2 ** rng.choice([1, 8, 31, 50, 63, 64, 70]))
        case 2:
            return rng.choice([0.5, 1.0, -1.5, 1e300])
        case 3 | 4:
            return _odd_text(rng)
        case 5:
            return rng.choice(["purchase", "withdrawal", "CNY", "EUR", "2026-11-01T08:00:00+05:30"])
        case 6:
            return [_odd_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {_odd_text(rng): _odd_value(rng, depth + 1) for _ in range(rng.randrange(5))}


def _odd_text(rng: random.Random) -> str:
    pools = ("abc-9", "\x00\x1f\x7f\x85", "é你🏦\u202e\ufeff", "\ud800\udfff", '":,\\{}`$')
    letters = rng.choice(pools) + rng.choice(pools)
    return "".join(rng.choice(letters) for _ in range(rng.choice([0, 1, 3, 34, 35, 64, 65, 140])))


def mutated_bytes(data: bytes, rng: random.Random) -> bytes:
    """The bytes after one change: flipped, left out, doubled, moved, or something put in."""
    place = rng.randrange(len(data) + 1)
    size = rng.choice([1, 1, 1, 2, 4, 16])
    before, piece, after = data[:place], data[place : place + size], data[place + size :]
    match rng.randrange(6):
        case 0:
            flipped = bytes(byte ^ (1 << rng.randrange(8)) for byte in piece)
            return before + flipped + after
        case 1:
            return before + after
        case 2:
            return before + piece + piece + after
        case 3:
            return before + rng.choice(_PIECES) + piece + after
        case 4:
            return before + rng.randbytes(size) + piece + after
    other = rng.randrange(len(after) + 1)
    return before + after[:other] + piece + after[other:]
