"""Signature fields that are absurd: as structured fields, as parameters, as covered components.

Some are well signed all the same, by hand, so that the curve agrees and only the rules can object.
"""

import dataclasses
from collections.abc import Iterator

import msgspec

from switch.signature import SigningKey, sign_bytes
from tests.fuzz.http_corpus import Case, Good, replaced, with_lines
from tests.fuzz.wire import Sent, assemble

# Values that replace all of Signature-Input, Signature, Content-Digest or Idempotency-Key.
ODD_FIELDS = (
    "", " ", ",", ",,", "=", "a", "a=", "a=b", "a=()", "a=(", "a=)", "a=(()", "a=(a", 'a=("',
    'a=("a', 'a=("a"', 'a=("a" ', 'a=("a""b")', 'a=("a"\t"b")', "sig", "sig=", "sig=?", "sig=?2",
    "sig=:", "sig=::", "sig=:a:", "sig=:=:", "sig=:AAAA", "sig=:AA AA:", "sig=:AA==AA:",
    "sig=:A===:", "sig=:-_-_:", "sig=:" + "A" * 4000 + ":", "sig=:" + "A" * 88 + ":", 'sig="a',
    'sig="a\\', 'sig="a\\b"', 'sig="\\""', "sig=1", "sig=-", "sig=--1", "sig=-0", "sig=1.",
    "sig=.1", "sig=1.1111", "sig=999999999999999", "sig=9999999999999999", "sig=" + "9" * 3000,
    "sig=999999999999.999", "sig=9999999999999.9", "sig=@1", "sig=@-1", "sig=@1.5",
    "sig=@" + "9" * 15, 'sig=%"a"', 'sig=%"%c3%a9"', 'sig=%"%ff"', 'sig=%"%', "sig=tok/en:*",
    "sig=*", "SIG=()", "1sig=()", "s\u0131g=()", "sig=();", "sig=();a=", "sig=();a;b;c",
    "sig=();A=1", "sig=() ;a", "sig=(); a", "sig=();a=1;a=2", "sig=(), sig=()", "sig=(),",
    ",sig=()", "sig=(), ,b=()", "sig=();created=1 ,b", "sig=()" + ";a" * 1000,
    "sig=()" + ";a=1" * 900, "sig=(" + '"a" ' * 900 + ")", "sig=(" + "(" * 1000,
    "sig=(" + '"a";a;b;c ' * 300 + ")", ", ".join(f"s{number}=()" for number in range(9)),
    ", ".join(f"s{number}" for number in range(600)),
    ",".join(f"s{number}" for number in range(1000)), "*" * 4000, "a" * 4000, "=" * 4000,
    '"' * 4000, ":" * 4000, "(" * 4000, ";" * 4000, "\\" * 4000, 'sig="' + "\\\\" * 1900 + '"',
    "%" * 4000, " " * 4000 + "a", "a" + "\t" * 4000 + "b",
)  # fmt: skip

PARAMETERS = (
    "", ";created", ";created=1", ";created=0", ";created=-1", ";created=1.5", ';created="{now}"',
    ";created=?1", ";created=:AAAA:", ";created=@{now}", ";created=999999999999999",
    ";created={now};created=1", ";created={now};expires=0", ";created={now};expires=-1",
    ";created={now};expires=999999999999999", ";created={now};expires=1.5",
    ";created={now};nonce=1", ";created={now};tag=?1", ";created={now};alg=ed25519",
    ';created={now};alg="ED25519"', ';created={now};alg="rsa-v1_5-sha256"', ';created={now};alg=""',
    ';created={now};unknown="x"', ";created={now};keyid", ";created={now};keyid=1",
    ';created={now};keyid=""', ';created={now};keyid="/"', ';created={now};keyid="nobody/one"',
    ';created={now};keyid="switch/one"', ';created={now};keyid="{key}x"',
    ';created={now};keyid="{key}\\""', ";created={now};keyid=tok/en",
    ';created={now};keyid="' + "k" * 3000 + '"',
    ";created={now};keyid=\"'; DROP TABLE ledger.payment; --\"",
    ';created={now};keyid="../../etc/passwd"', ';created={now};nonce="' + "n" * 3000 + '"',
    ';created={now};tag="a";nonce="b"', ';created={now};nonce="\\"\\\\"', ";created=0{now}",
    ";created=+{now}",
)  # fmt: skip

COVERED = '("@method" "@authority" "@path" "content-digest" "idempotency-key")'

COMPONENTS = (
    '("@method" "@authority" "@path" "content-digest" "idempotency-key" "@method")',
    '("@signature-params")', '("@status")', '("@query")', '("@query-param";name="a")',
    '("@query-param")', '("@target-uri")', '("@request-target")', '("@scheme")', '("@unknown")',
    '("@METHOD")', '("Host")', '("host")', '("")', '("signature")', '("signature-input")',
    '("signature-input";key="sig")', '("content-length")', '("x-absent")', '("@method";req)',
    '("@method";tr)', '("@method";bs)', '("content-digest";sf)', '("content-digest";key="sha-256")',
    '("content-digest";key="x")', '("content-digest";key=1)', '("content-digest";bs)',
    '("content-digest";sf;bs)', '("content-digest";sf=?0)', '("content-digest";key="sha-256";sf)',
    '("idempotency-key";sf)', '("host";sf)', '("date";sf)', "(1)", "(tok)", "(:AAAA:)", "(?1)",
    "(@1)", '(%"a")', '("a\\"b")', '("a b")', '("a:b")', '("' + "a" * 3000 + '")',
    "(" + " ".join(f'"x{number}"' for number in range(40)) + ")", '("@method";a=1;b=2)',
    '("@method" "@path";x)',
)  # fmt: skip


# Idempotency keys, each signed as it stands.
KEYS = (
    '""', '"', '"a', 'a"', '"a"b', '"a b"', "a b", "a,b", '"a,b"', '"a", "b"', "a;b", '"a";b',
    '"a";b=1', '"\\\\"', '"\\""', '"\\a"', "\\", "\\\\", "?1", "1", "1.5", ":AAAA:", "(a)", '("a")',
    "*", "'", "%00", "a" * 64, "a" * 65, "a" * 7000, '"' + "a" * 64 + '"', '"' + "a" * 65 + '"',
    '"' + "\\\\" * 64 + '"', '"' + "\\\\" * 65 + '"', "{}", "null", "a=b", "=", "~", "!", "a\tb",
    '"a\tb"', "'; DROP TABLE x; --",
)  # fmt: skip


def odd_keys(good: Good, key: SigningKey, now_s: int) -> Iterator[Case]:
    """Idempotency keys that are none, or that two readers could read as different keys."""
    for value in KEYS:
        plain = good()
        line = f"Idempotency-Key: {value}".encode()
        sent = dataclasses.replace(
            plain,
            lines=replaced(plain, "Idempotency-Key", [line]),
            bound=msgspec.structs.replace(plain.bound, idempotency_key=value),
        )
        data = _signed_over(sent, key, COVERED, f';created={now_s};keyid="{key.key_id}"')
        yield Case(name=f"key {value[:60]}", pieces=[data], sent=sent)


def odd_fields(good: Good) -> Iterator[Case]:
    """A field of the signature that is no structured field, or one without sense."""
    for name in ("Signature-Input", "Signature", "Content-Digest", "Idempotency-Key"):
        for value in ODD_FIELDS:
            sent = good()
            data = with_lines(sent, name, f"{name}: {value}".encode())
            yield Case(name=f"{name}: {value[:60]}", pieces=[data], sent=sent)
    for name in ("Signature-Input", "Signature"):
        sent = good()
        line = f"{name}: ".encode() + b", ".join(b"s%d=()" % number for number in range(10_000))
        data = with_lines(sent, name, line)
        yield Case(name=f"{name}: 10,000 labels on a line", pieces=[data], sent=sent)
        lines = [f'{name}: s{n}=();keyid="a/b"' + ";a" * 2000 for n in range(40)]
        data = with_lines(sent, name, *(line.encode() for line in lines))
        yield Case(name=f"{name}: 40 long lines", pieces=[data], sent=sent)


def odd_parameters(good: Good, key: SigningKey, now_s: int) -> Iterator[Case]:
    """Parameters that are missing, of another type, from another time, of another key.

    The signature is right for them, as they stand.
    """
    for parameters in PARAMETERS:
        filled = parameters.replace("{now}", str(now_s)).replace("{key}", key.key_id)
        if "keyid" not in filled:
            filled += f';keyid="{key.key_id}"'
        sent = good()
        data = _signed_over(sent, key, COVERED, filled)
        yield Case(name=f"parameters {parameters[:60]}", pieces=[data], sent=sent)


def odd_components(good: Good, key: SigningKey, now_s: int) -> Iterator[Case]:
    """Components that do not exist, are not there, stand twice, or are not what may be covered."""
    for components in COMPONENTS:
        sent = good()
        data = _signed_over(sent, key, components, f';created={now_s};keyid="{key.key_id}"')
        yield Case(name=f"components {components[:60]}", pieces=[data], sent=sent)
        more = COVERED[:-1] + " " + components[1:]
        data = _signed_over(sent, key, more, f';created={now_s};keyid="{key.key_id}"')
        yield Case(name=f"more components {components[:60]}", pieces=[data], sent=sent)


def _signed_over(sent: Sent, key: SigningKey, components: str, parameters: str) -> bytes:
    """The request signed anew, with the values of the usual components for whatever they name."""
    values = {
        "@method": sent.bound.method,
        "@authority": _line_value(sent, "Host"),
        "@path": sent.bound.path,
        "@query": "?",
        "content-digest": sent.bound.content_digest,
        "idempotency-key": sent.bound.idempotency_key,
        "host": _line_value(sent, "Host"),
        "content-length": _line_value(sent, "Content-Length"),
        "@scheme": "http",
        "@request-target": sent.bound.path,
        "@target-uri": f"http://{_line_value(sent, 'Host')}{sent.bound.path}",
    }
    names = [piece.split('"')[1] for piece in components[1:-1].split() if piece.count('"') == 2]
    lines = [f'"{name}": {values.get(name, "")}' for name in names]
    lines.append(f'"@signature-params": {components}{parameters}')
    signature = sign_bytes("\n".join(lines).encode("utf-8"), key)
    kept = [line for line in sent.lines if not line.startswith(b"Signature")]
    kept += [f"Signature-Input: sig={components}{parameters}".encode()]
    kept += [f"Signature: sig={signature}".encode()]
    return assemble(sent.start, kept, sent.body)


def _line_value(sent: Sent, name: str) -> str:
    prefix = f"{name}: ".encode()
    return next(line for line in sent.lines if line.startswith(prefix))[len(prefix) :].decode()
