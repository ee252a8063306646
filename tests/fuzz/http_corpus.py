"""Requests that are wrong as HTTP: cut, too large, smuggled, with lines and targets nobody sends.

Each starts from a request that is well signed, so that what is wrong with it is wrong alone and the
deepest room that can see it does see it.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from switch import limits
from tests.fuzz.wire import Sent, assemble

Good = Callable[[], Sent]  # a new good payment at each call, under a key of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Bytes to send, in pieces. `sent` is what an answer that is signed must be bound to."""

    name: str
    pieces: Sequence[bytes]
    sent: Sent | None = None
    answers_max: int = 1
    is_head: bool = False


def with_lines(sent: Sent, name: str, *lines: bytes) -> bytes:
    """The request with other lines in place of those of this field."""
    return assemble(sent.start, replaced(sent, name, lines), sent.body)


def replaced(sent: Sent, name: str, lines: Sequence[bytes]) -> list[bytes]:
    """The lines of the request with other lines in place of those of this field."""
    prefix = f"{name.lower()}:".encode()
    return [line for line in sent.lines if not line.lower().startswith(prefix)] + list(lines)


def _line(sent: Sent, name: str) -> bytes:
    prefix = f"{name.lower()}:".encode()
    return next(line for line in sent.lines if line.lower().startswith(prefix))


def _value(sent: Sent, name: str) -> bytes:
    return _line(sent, name).partition(b": ")[2]


# --- cut ---------------------------------------------------------------------------------


def cuts(sent: Sent, rng: random.Random, count: int) -> list[int]:
    """Places to cut a request: in its first line, around every line's end, within the body."""
    data = sent.data
    ends = [place for place in range(len(data)) if data[place : place + 2] == b"\r\n"]
    places = {0, 1, 3, 4, 5, len(data) - 1, len(sent.head), len(sent.head) + 1}
    places |= {end + offset for end in ends for offset in (0, 1, 2)}
    places |= {rng.randrange(len(data)) for _ in range(count)}
    return sorted(places)


def truncated(good: Good, rng: random.Random, count: int) -> Iterator[Case]:
    """Requests that end too early, sent at once or in pieces of a few bytes."""
    for place in cuts(good(), rng, count):
        sent = good()
        yield Case(name=f"cut at {place}", pieces=[sent.data[:place]], sent=sent)
    for size in (1, 2, 7, 64):
        sent = good()
        data = sent.data[: -rng.randrange(1, len(sent.body))]
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        yield Case(name=f"cut, in pieces of {size}", pieces=pieces, sent=sent)


# --- too large, and lengths that lie --------------------------------------------------------

LENGTHS = (
    "0", "1", "65536", "65537", "1048576", "1000000000000000000", "9223372036854775807",
    "9223372036854775808", "18446744073709551615", "18446744073709551616", "18446744073709551621",
    "9" * 400, "9" * 5000, "0" * 5000 + "1", "-1", "-0", "+5", "0x10", "1e2", "5.0", "5,5", "5, 6",
    "5 5", "", " ", "\t", "five", "\uff15", "\u0665", "\u00b2", "5;q=1", '"5"', "5\x00", "0_5",
)  # fmt: skip


def lengths(good: Good) -> Iterator[Case]:
    """Content-Length that is not the body's, or not a length."""
    for length in LENGTHS:
        sent = good()
        data = with_lines(sent, "Content-Length", f"Content-Length: {length}".encode())
        yield Case(name=f"length {length[:30]!r}", pieces=[data], sent=sent, answers_max=2)
    for name, difference in (("short", -5), ("long", 5)):
        sent = good()
        line = f"Content-Length: {len(sent.body) + difference}".encode()
        data = with_lines(sent, "Content-Length", line)
        yield Case(name=f"length {name}", pieces=[data], sent=sent, answers_max=2)


CHUNKED = b"Transfer-Encoding: chunked"


def chunked(good: Good) -> Iterator[Case]:
    """Bodies in chunks: without end, with sizes and extensions that are absurd, cut, with trailers.

    The signature stays right, so the body is waited for.
    """
    wall = b"x" * 4096
    bodies: dict[str, list[bytes]] = {
        "without end": [b"1000\r\n" + wall + b"\r\n"] * 64,
        "one byte each": [b"1\r\nx\r\n" * 70_000],
        "too large a size": [b"FFFFFFFFFFFFFFFF\r\n" + wall],
        "larger than 64 bits": [b"1" + b"0" * 17 + b"\r\n" + wall],
        "size of a thousand digits": [b"0" * 1000 + b"1\r\nx\r\n0\r\n\r\n"],
        "size of sign": [b"-1\r\nx\r\n0\r\n\r\n"],
        "size of plus": [b"+1\r\nx\r\n0\r\n\r\n"],
        "size with 0x": [b"0x1\r\nx\r\n0\r\n\r\n"],
        "size with blanks": [b" 1 \r\nx\r\n0\r\n\r\n"],
        "size with underscore": [b"1_0\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n"],
        "size missing": [b"\r\nx\r\n0\r\n\r\n"],
        "size not ASCII": ["\u0661\r\nx\r\n0\r\n\r\n".encode()],
        "bare LF": [b"1\nx\n0\n\n"],
        "bare CR": [b"1\rx\r0\r\r"],
        "more than its size": [b"1\r\nxxxxx\r\n0\r\n\r\n"],
        "extension without end": [b"1;" + b"a" * 200_000],
        "extension with LF": [b"1;a\nx\r\n0\r\n\r\n"],
        "extensions": [b'1;a="b";c\r\nx\r\n0;last\r\n\r\n'],
        "trailers": [b"1\r\nx\r\n0\r\nX-Trailer: 1\r\n\r\n"],
        "trailers without end": [b"0\r\n" + b"X-Trailer: 1\r\n" * 20_000],
        "trailer of signature": [b"0\r\nSignature: sig=:AAAA:\r\nHost: evil\r\n\r\n"],
        "trailer without name": [b"0\r\n: 1\r\n\r\n"],
        "cut in a size": [b"10"],
        "cut in a chunk": [b"10\r\nxxx"],
        "cut before the last": [b"1\r\nx\r\n"],
        "nothing": [b""],
        "only the last": [b"0\r\n\r\n"],
    }
    for name, body in bodies.items():
        sent = good()
        head = assemble(sent.start, replaced(sent, "Content-Length", [CHUNKED]))
        yield Case(name=f"chunked: {name}", pieces=[head, *body], sent=sent, answers_max=2)


def large(good: Good) -> Iterator[Case]:
    """Heads and bodies over every bound, before and after a good beginning."""
    sent = good()
    line = limits.HEADER_LINE_BYTES_MAX
    heads: dict[str, list[bytes]] = {
        "a line": [*sent.lines, b"X-Long: " + b"a" * (2 * line)],
        "a line without end": [*sent.lines, b"X-Long: " + b"a" * 1_000_000],
        "a name": [*sent.lines, b"x" * (2 * line) + b": a"],
        "many lines": [*sent.lines, *[b"X-Many: a"] * 10_000],
        "a line too many": [*sent.lines, *[b"X-Many: a"] * limits.HEADERS_MAX],
        "long lines": [*sent.lines, *[b"X-Many: " + b"a" * 8000] * 40],
        "blank lines before": [b"", b"", *sent.lines],
    }
    for name, lines in heads.items():
        data = assemble(sent.start, lines, sent.body)
        yield Case(name=f"large: {name}", pieces=[data], sent=sent, answers_max=2)
    for name, start in (
        ("target", b"GET /" + b"a" * (2 * line) + b" HTTP/1.1"),
        ("target without end", b"GET /" + b"a" * 1_000_000),
        ("query", b"GET /v1/payments?" + b"a=b&" * (line // 2) + b" HTTP/1.1"),
        ("method", b"A" * (2 * line) + b" / HTTP/1.1"),
        ("version", b"GET / HTTP/" + b"1" * (2 * line)),
    ):
        data = assemble(start, sent.lines)
        yield Case(name=f"large: {name}", pieces=[data], sent=sent, answers_max=2)
    yield Case(name="large: empty lines", pieces=[b"\r\n" * 100_000])
    yield Case(name="large: zeros", pieces=[b"\x00" * 300_000])
    yield Case(name="large: noise", pieces=[bytes(range(256)) * 2000], answers_max=2)


# --- lines that stand twice, or hold what no line holds ------------------------------------

SIGNED_FIELDS = (
    "Host", "Content-Digest", "Idempotency-Key", "Signature-Input", "Signature", "Content-Type",
    "Content-Length",
)  # fmt: skip


def duplicates(good: Good) -> Iterator[Case]:
    """Each line twice: the same, with another value before it, and after it."""
    for name in SIGNED_FIELDS:
        sent = good()
        line = _line(sent, name)
        other = name.encode() + b": 1"
        for what, lines in (
            ("twice", [line, line]),
            ("after another", [other, line]),
            ("before another", [line, other]),
            ("joined", [line + b", " + _value(sent, name)]),
            ("missing", []),
            ("empty", [name.encode() + b":"]),
            ("a hundred times", [line] * 100),
        ):
            data = with_lines(sent, name, *lines)
            yield Case(name=f"{name} {what}", pieces=[data], sent=sent, answers_max=2)


INJECTED = {
    "CR LF": b"a\r\nX-Injected: b",
    "bare LF": b"a\nX-Injected: b",
    "bare CR": b"a\rX-Injected: b",
    "fold": b"a\r\n b",
    "fold of tab": b"a\r\n\tb",
    "NUL": b"a\x00b",
    "DEL": b"a\x7fb",
    "controls": b"a\x01\x08\x0b\x0c\x1fb",
    "Latin-1": b"a\xe9b",
    "UTF-8": "a你b".encode(),
    "half of UTF-8": b"a\xe4\xbdb",
    "tab": b"a\tb",
    "blanks": b"   a   ",
    "quote": b'"a',
    "backslash": b'"a\\"',
    "comma": b"a, b",
}


def injections(good: Good) -> Iterator[Case]:
    """Bytes in the values of fields that end a line for some reader and not for another."""
    for name in (*SIGNED_FIELDS, "X-Other", "Date", "Expect", "Connection", "Accept-Encoding"):
        for what, value in INJECTED.items():
            sent = good()
            data = with_lines(sent, name, name.encode() + b": " + value)
            yield Case(name=f"{name}: {what}", pieces=[data], sent=sent, answers_max=2)


ODD_LINES = (
    b" Leading: a", b"\tLeading: a", b"No-Colon", b": no name", b"Blank : a", b"Bl ank: a",
    b"N\xc3\xa4me: a", b"Na\x00me: a", b"(Name): a", b'"Name": a', b"Name\x0b: a", b"Name:a",
    b"Name:\ta", b"\x00", b"\xff\xfe", b"Name: a\r", b"{}", b"GET / HTTP/1.1",
    b"Expect: 100-continue", b"Expect: 200-ok", b"Expect: 100-continue, x", b"Upgrade: websocket",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAA",
    b"Connection: close, keep-alive", b"Connection: host", b"Connection: content-digest",
    b"Content-Encoding: gzip", b"Content-Encoding: deflate", b"Content-Encoding: br",
    b"Content-Encoding: zstd", b"Content-Encoding: gzip, gzip", b"Content-Encoding: x",
    b"TE: trailers", b"Trailer: Signature", b"X-Forwarded-Host: evil", b"Forwarded: host=evil",
    b"Range: bytes=0-1", b"If-None-Match: *", b"If-Modified-Since: yesterday", b"Accept: nothing",
    b"Accept-Charset: utf-7", b"Cookie: a=b; $c", b"Authorization: Basic ?",
    b"X-HTTP-Method-Override: DELETE", b"Proxy-Connection: keep-alive", b"Keep-Alive: timeout=1e9",
)  # fmt: skip


def odd_lines(good: Good) -> Iterator[Case]:
    """A line more, at the beginning and at the end."""
    for line in ODD_LINES:
        for where in ("first", "last"):
            sent = good()
            lines = [line, *sent.lines] if where == "first" else [*sent.lines, line]
            data = assemble(sent.start, lines, sent.body)
            yield Case(name=f"{line[:40]!r} {where}", pieces=[data], sent=sent, answers_max=2)


def hosts(good: Good, authority: str) -> Iterator[Case]:
    """Names of other switches, and what is no name."""
    port = authority.partition(":")[2]
    for host in (
        "evil.example", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1:{port}:{port}",
        f"127.0.0.1:0{port}", f"user@127.0.0.1:{port}", f"127.0.0.1:{port}@evil",
        f"127.0.0.1:{port}/path", "[::1", "[::1]", f"[::1%25lo]:{port}", f"LOCALHOST:{port}",
        f"localhost.:{port}", "localhost:99999999999", "localhost:", ":80", "*", "a" * 300,
        "a" * 7000, "xn--", "\u4f60", "127.1", "0x7f000001", "2130706433", f"127.0.0.1:{port}#",
        f"127.0.0.1:{port}?", "127.0.0.1:٨٠", "a..b", "%00", "-", f"127.0.0.1:{port}, evil",
    ):  # fmt: skip
        sent = good()
        data = with_lines(sent, "Host", f"Host: {host}".encode())
        yield Case(name=f"Host {host[:40]}", pieces=[data], sent=sent)


# --- smuggling ------------------------------------------------------------------------------

CODINGS = (
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding:chunked",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: chunked ",
    b"Transfer-Encoding: \x00chunked", b" Transfer-Encoding: chunked",
    b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunkedx", b"Transfer-Encoding: chunk",
    b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity", b"Transfer-Encoding: ", b"Transfer-Encoding: ,chunked",
    b'Transfer-Encoding: "chunked"', b"Transfer-Encoding: chunked;q=1",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Transfer-Encoding:\r\n chunked",
    b"Transfer_Encoding: chunked", b"X: a\nTransfer-Encoding: chunked",
    b"X: a\rTransfer-Encoding: chunked",
)  # fmt: skip


def smuggled(good: Good, authority: str) -> Iterator[Case]:
    """A second request hidden where only a reader with another idea of framing sees it.

    Whichever way the framing is read, it must not be answered beside the first.
    """
    hidden = assemble(b"GET /livez HTTP/1.1", [f"Host: {authority}".encode()])
    for coding in CODINGS:
        for name, body in (
            ("in the rest of a length", b"0\r\n\r\n" + hidden),
            ("in a chunk", b"%x\r\n" % len(hidden) + hidden + b"\r\n0\r\n\r\n"),
        ):
            sent = good()
            for order in (0, 1):
                lines = replaced(sent, "Content-Length", [])
                both = [b"Content-Length: %d" % len(body), coding]
                data = assemble(sent.start, [*lines, both[order], both[1 - order]], body)
                yield Case(name=f"{coding!r} {name} {order}", pieces=[data], sent=sent)
    for first, second in ((0, len(hidden)), (len(hidden), 0), (len(hidden), 1)):
        sent = good()
        lines = [b"Content-Length: %d" % length for length in (first, second)]
        data = assemble(sent.start, replaced(sent, "Content-Length", lines), hidden)
        yield Case(name=f"lengths {first} and {second}", pieces=[data], sent=sent)


# --- methods, targets, versions --------------------------------------------------------------

STARTS = (
    "get / HTTP/1.1", "GETT / HTTP/1.1", "FOO / HTTP/1.1", "G\x00T / HTTP/1.1", "GÉT / HTTP/1.1",
    "TRACE / HTTP/1.1", "TRACE /v1/payments HTTP/1.1", "CONNECT evil:80 HTTP/1.1",
    "CONNECT /v1/payments HTTP/1.1", "CONNECT * HTTP/1.1", "OPTIONS * HTTP/1.1", "GET * HTTP/1.1",
    "OPTIONS /v1/payments HTTP/1.1", "DELETE /v1/payments HTTP/1.1", "PUT /v1/payments HTTP/1.1",
    "PATCH /v1/payments HTTP/1.1", "QUERY /v1/payments HTTP/1.1", "PRI * HTTP/2.0",
    "M-SEARCH * HTTP/1.1", "SOURCE / HTTP/1.1", "(GET) / HTTP/1.1", " GET / HTTP/1.1", "GET",
    "GET / HTTP/0.9", "GET / HTTP/1.0", "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / HTTP/3",
    "GET / HTTP/9.9", "GET / HTTP/11.1", "GET / HTTP/1.11", "GET / HTTP/-1.1", "GET / http/1.1",
    "GET / HTTPS/1.1", "GET / ICE/1.0", "GET / RTSP/1.0", "GET / HTTP/", "GET / HTTP", "GET /",
    "GET ", "GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET\t/\tHTTP/1.1", "GET / HTTP/1.1 x",
    "GET / a HTTP/1.1", "GET //evil/livez HTTP/1.1", "GET //livez HTTP/1.1", "GET ///// HTTP/1.1",
    "GET . HTTP/1.1", "GET livez HTTP/1.1", "GET ../livez HTTP/1.1", "GET /../livez HTTP/1.1",
    "GET /./livez HTTP/1.1", "GET /%2e%2e/livez HTTP/1.1", "GET /%6civez HTTP/1.1",
    "GET /livez/ HTTP/1.1", "GET /LIVEZ HTTP/1.1", "GET /livez;a=b HTTP/1.1",
    "GET /livez#f HTTP/1.1", "GET /livez?# HTTP/1.1", "GET /livez%00 HTTP/1.1", "GET /%zz HTTP/1.1",
    "GET /% HTTP/1.1", "GET /%c0%ae HTTP/1.1", "GET /\x00 HTTP/1.1", "GET /\x7f HTTP/1.1",
    "GET /ü HTTP/1.1", "GET /你 HTTP/1.1", "GET /\\..\\livez HTTP/1.1", "GET /a|b^c`d HTTP/1.1",
    'GET /"<>{} HTTP/1.1', "GET ? HTTP/1.1", "GET # HTTP/1.1", "GET http://{host}/livez HTTP/1.1",
    "GET http://{host} HTTP/1.1", "GET http://{host}?a HTTP/1.1", "GET http://evil/livez HTTP/1.1",
    "GET http:/// HTTP/1.1", "GET http:// HTTP/1.1", "GET http: HTTP/1.1",
    "GET http:/livez HTTP/1.1", "GET :// HTTP/1.1", "GET ://livez HTTP/1.1",
    "GET http://[::1/livez HTTP/1.1", "GET http://[zz]/ HTTP/1.1",
    "GET http://a:99999999/ HTTP/1.1", "GET http://a:b/ HTTP/1.1",
    "GET http://u:p@{host}/ HTTP/1.1", "GET http://{host}:1:2/livez HTTP/1.1",
    "GET http://%00/ HTTP/1.1", "GET http://\xff/ HTTP/1.1", "GET ftp://{host}/livez HTTP/1.1",
    "GET javascript:alert(1) HTTP/1.1", "GET {host} HTTP/1.1", "GET /v1/accounts/{id} HTTP/1.1",
    "GET /v1/payments/ HTTP/1.1", "GET /v1//accounts HTTP/1.1", "GET /docs/../v1/payments HTTP/1.1",
    "GET /docs/%2e%2e/page.js HTTP/1.1", "GET /static HTTP/1.1",
)  # fmt: skip


def starts(good: Good, authority: str) -> Iterator[Case]:
    """First lines that nobody sends, with the lines of a good payment and without."""
    for start in STARTS:
        first = start.replace("{host}", authority).encode("latin-1", "replace")
        bare = assemble(first, [f"Host: {authority}".encode()])
        yield Case(name=f"start {start!r}", pieces=[bare], answers_max=2)
        sent = good()
        data = assemble(first, sent.lines, sent.body)
        name = f"start {start!r}, signed"
        yield Case(name=name, pieces=[data], sent=sent, answers_max=2)
    for path in ("/livez", "/openapi.json", "/v1/payments", "/nothing", "/docs"):
        data = assemble(f"HEAD {path} HTTP/1.1".encode(), [f"Host: {authority}".encode()])
        yield Case(name=f"HEAD {path}", pieces=[data], is_head=True)
