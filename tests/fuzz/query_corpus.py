"""Targets of look-ups that are odd in their path or query, signed as they stand."""

from collections.abc import Iterator

_UUID = "019376a0-0000-7000-8000-000000000000"

SEGMENTS = (
    "", "{id}", "null", "0", "-1", "%00", "%", "%zz", "%2e%2e", "..", ".", "*", "'", '"',
    "%27%20OR%201=1--", _UUID.upper(), _UUID.replace("-", ""), _UUID + "0", _UUID[:-1],
    "{" + _UUID + "}", "urn:uuid:" + _UUID, "%30" + _UUID[1:], _UUID + "%00", _UUID + "%20",
    _UUID + ";a=b", _UUID + "/", _UUID + "//", _UUID + "/x", "a" * 7000, "%c0%ae%c0%ae",
    "%ed%a0%80", "%ff", "~", "@", ":", "!$&()*+,;=", "|", "^", "`", "\\", "[]", "entries", "freeze",
    "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
)  # fmt: skip

QUERIES = (
    "", "?", "&", "=", "==", "&&", "a", "a=", "=a", "a=b", "limit", "limit=", "limit=0", "limit=1",
    "limit=-1", "limit=+1", "limit=%2B1", "limit=01", "limit=0001", "limit=200", "limit=201",
    "limit=9999", "limit=1.0", "limit=1e2", "limit=0x10", "limit=%D9%A3", "limit=%C2%B2",
    "limit=%EF%BC%95", "limit=1%00", "limit=1%0A", "limit=" + "9" * 7000, "limit=1&limit=1",
    "limit=1&limit=2", "limit=1;limit=2", "LIMIT=1", "%6cimit=1", "limit%00=1", "limit%20=1",
    "+limit=1", "limit[]=1", "after", "after=", "after=0", "after=" + _UUID,
    "after=" + _UUID.upper(), "after=1.0", "after=0.0", "after=01.0", "after=1.01", "after=-1.0",
    "after=1", "after=999999999999999999.999999999", "after=9999999999999999999.0",
    "after=1.9999999999", "after=1.0%0A", "after=%D9%A1.0",
    "after=00000000-0000-0000-0000-000000000000", "after=1e5.0", "reference=", "reference=a",
    "reference=%00", "reference=%ff", "reference=%ed%a0%80", "reference=%c0%80", "reference=%zz",
    "reference=%", "reference=%E2%80%A8", "reference=%C2%85", "reference=" + "a" * 64,
    "reference=" + "a" * 65, "reference=" + "%F0%9F%8F%A6" * 64, "reference=" + "%F0%9F%8F%A6" * 65,
    "reference=+", "reference=%27", "reference=%25", "reference=_%25", "reference=a%26limit=1",
    "account=" + _UUID, "account=x", "account=", "idempotency_key=a", "idempotency_key=",
    "idempotency_key=%22a%22", "idempotency_key=%20", "idempotency_key=%00",
    "idempotency_key=" + "a" * 64, "idempotency_key=" + "a" * 65, "idempotency_key=a&limit=1",
    "idempotency_key=a&idempotency_key=b", "idempotency_key=%7F", "from=2026-11-01T08:00:00Z",
    "from=2026-11-01T08:00:00+08:00", "from=2026-11-01T08:00:00%2B08:00", "from=2026-11-01",
    "from=0001-01-01T00:00:00Z", "from=0001-01-01T00:00:00%2B23:59",
    "from=9999-12-31T23:59:59.999999Z", "from=9999-12-31T23:59:59-23:59",
    "from=9000-12-31T23:59:59-23:59", "from=1970-01-01T00:00:00%2B23:59", "from=infinity",
    "from=-infinity", "from=now", "from=1e9", "from=0", "from=2026-02-30T00:00:00Z",
    "from=2026-12-31T23:59:60Z", "from=%00", "from=" + "2" * 7000,
    "from=2026-11-01T08:00:00." + "1" * 5000 + "Z",
    "to=2026-11-01T08:00:00Z&from=2027-11-01T08:00:00Z", "to=", "&".join(["a=b"] * 17),
    "&".join(["limit=1"] * 1000), "&" * 7000, "=" * 7000, "a" * 7000, "%41" * 2000, "%" * 7000,
    "+" * 7000, "a=b#c", "'", '"', "<script>", "\\", "|", "^`{}[]", "a=b&c=d?e=f", "??", "?limit=1",
    "/../..", "//",
)  # fmt: skip


def targets(payer: str, payment: str) -> Iterator[str]:
    """Every odd segment in every path that has one, every odd query on every look-up."""
    for segment in SEGMENTS:
        yield f"/v1/accounts/{segment}"
        yield f"/v1/accounts/{segment}/entries"
        yield f"/v1/payments/{segment}"
    for query in QUERIES:
        yield f"/v1/accounts?{query}"
        yield f"/v1/accounts/{payer}?{query}"
        yield f"/v1/accounts/{payer}/entries?{query}"
        yield f"/v1/payments?{query}"
        yield f"/v1/payments/{payment}?{query}"
