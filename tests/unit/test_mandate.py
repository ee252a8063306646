"""Mandates: what their bodies may say, and what a row says that was answered."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from switch import limits
from switch.errors import Problem
from switch.mandate import (
    VALIDITY_MAX,
    MandateRequest,
    as_decided,
    as_given,
    as_it_is,
    as_revoked,
    decode_mandate,
    revocation_digest,
    untimely,
)

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LIMITS = ("payment_limit", "daily_limit", "monthly_limit")

ROW: dict[str, Any] = {
    "id": UUID("0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05"),
    "payer": UUID("0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"),
    "payee": UUID("0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"),
    "currency": "CNY",
    "purpose": None,
    "payment_limit": 3000,
    "daily_limit": None,
    "monthly_limit": None,
    "uses_max": 9,
    "uses": 0,
    "spent_today": 0,
    "spent_this_month": 0,
    "not_before": NOON,
    "not_after": NOON + DAY,
    "created_at": NOON,
    "revoked_at": None,
}

moments = st.timedeltas(-3000 * DAY, 3000 * DAY).map(lambda since: NOON + since)


PROFILE = settings(
    max_examples=200,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),  # how fast this machine is says nothing
)


def body(**changes: Any) -> bytes:
    """A good mandate with these members changed; a member of None is left out."""
    usual = {"payer": str(uuid4()), "payee": str(uuid4()), "payment_limit": 1}
    message = usual | {"not_after": "2027-11-01T00:00:00Z"} | changes
    return json.dumps(
        {name: value for name, value in message.items() if value is not None}
    ).encode()


def test_no_mandate_is_without_a_limit(seed: int) -> None:
    """Any of the three limits will do; none of them is refused."""

    def claim(named: set[str]) -> None:
        members = {name: 5 if name in named else None for name in LIMITS}
        request = decode_mandate(body(**members))
        if named:
            assert isinstance(request, MandateRequest)
            assert {name for name in LIMITS if getattr(request, name) == 5} == named
        else:
            assert isinstance(request, Problem)
            assert request.field == "payment_limit"

    PROFILE(seeded(seed)(given(st.sets(st.sampled_from(LIMITS)))(claim)))()


def test_a_mandate_begins_before_it_ends_and_is_not_too_long(seed: int) -> None:
    """Both bounds hold to the microsecond, wherever the times lie."""

    def claim(begin: datetime, end: datetime) -> None:
        read = decode_mandate(body(not_before=begin.isoformat(), not_after=end.isoformat()))
        is_good = begin < end <= begin + VALIDITY_MAX
        assert isinstance(read, MandateRequest) == is_good
        if isinstance(read, Problem):
            assert read.field == "not_after"

    PROFILE(seeded(seed)(given(moments, moments)(claim)))()


def test_the_longest_mandate() -> None:
    """To the microsecond, whether its beginning is given or is now."""
    for end, is_good in ((NOON + VALIDITY_MAX, True), (NOON + VALIDITY_MAX + DAY / 86_400, False)):
        times = {"not_before": NOON.isoformat(), "not_after": end.isoformat()}
        assert isinstance(decode_mandate(body(**times)), MandateRequest) == is_good
        request = decode_mandate(body(not_after=end.isoformat()))
        assert isinstance(request, MandateRequest)
        assert (untimely(request, NOON) is None) == is_good


def test_times_are_in_utc() -> None:
    """A time of another zone is the same moment; one without a zone is refused."""
    request = decode_mandate(body(not_after="2027-11-01T08:00:00+08:00"))
    assert isinstance(request, MandateRequest)
    assert request.not_after == datetime(2027, 11, 1, tzinfo=UTC)
    assert request.not_after.tzinfo is UTC
    refused = decode_mandate(body(not_after="2027-11-01T08:00:00"))
    assert isinstance(refused, Problem)
    assert refused.field == "not_after"


def test_a_mandate_that_is_over_is_untimely(seed: int) -> None:
    """At its end it is over, a moment before it is not."""

    def claim(now: datetime) -> None:
        request = MandateRequest(payer=uuid4(), payee=uuid4(), payment_limit=1, not_after=now)
        refusal = untimely(request, now)
        assert refusal is not None
        assert refusal.field == "not_after"
        assert untimely(request, now - timedelta(microseconds=1)) is None

    PROFILE(seeded(seed)(given(moments)(claim)))()


def test_a_member_given_twice_is_refused() -> None:
    """Parsers disagree about which one counts."""
    twice = body(payment_limit=None)[:-1] + b',"payment_limit":1,"payment_limit":2}'
    refused = decode_mandate(twice)
    assert isinstance(refused, Problem)
    assert refused.field == "payment_limit"


def test_what_was_answered_never_changes(seed: int) -> None:
    """Giving is answered as if nothing had happened since; revoking says nothing of days."""

    def claim(uses: int, spent: int, is_revoked: bool) -> None:
        later = ROW | {"uses": uses, "spent_today": spent, "spent_this_month": spent}
        if is_revoked:
            later |= {"revoked_at": NOON + DAY / 2}
        assert as_given("blue-wallet", later) == as_given("blue-wallet", ROW)
        if is_revoked:
            shown = as_revoked("blue-wallet", later)
            assert shown == as_revoked(
                "blue-wallet", later | {"spent_today": 0, "spent_this_month": 0}
            )
            assert (shown.status, shown.uses, shown.spent_today) == ("revoked", uses, None)

    tried = given(st.integers(1, 9), st.integers(0, 10**15), st.booleans())(claim)
    PROFILE(seeded(seed)(tried))()


def test_the_digest_tells_what_a_key_was_spent_on() -> None:
    """That of the revocation of this very mandate, or of anything else: then it was given by it."""
    row = ROW | {"uses": 3, "revoked_at": NOON}
    revoked, given_then = as_revoked("w", row), as_given("w", row)
    assert as_decided("w", row, revocation_digest(row["id"])) == revoked
    assert as_decided("w", row, revocation_digest(uuid4())) == given_then
    assert as_decided("w", row, bytes(32)) == given_then


def test_a_status_is_that_of_the_moment() -> None:
    """Not yet valid, active, ended by time or by uses; revoked whatever the time."""
    rows = {
        "before": (ROW, NOON - DAY, "not_yet_valid"),
        "at its beginning": (ROW, NOON, "active"),
        "at its end": (ROW, NOON + DAY, "ended"),
        "last use left": (ROW | {"uses": 8}, NOON, "active"),
        "used up": (ROW | {"uses": 9}, NOON, "ended"),
        "revoked before": (ROW | {"revoked_at": NOON - DAY}, NOON - DAY, "revoked"),
        "revoked after": (ROW | {"revoked_at": NOON}, NOON + 2 * DAY, "revoked"),
    }
    for name, (row, now, status) in rows.items():
        assert as_it_is("blue-wallet", row, now).status == status, name
    ahead = ROW | {"not_before": NOON + DAY / 2}
    assert as_given("blue-wallet", ahead).status == "not_yet_valid"


def test_the_most_of_everything_is_taken() -> None:
    """The limits themselves are allowed, one more is not."""
    most = {
        "purpose": "x" * limits.MANDATE_PURPOSE_CHARS_MAX,
        "uses_max": limits.MANDATE_USES_MAX,
        "payment_limit": limits.AMOUNT_MAX,
    }
    request = decode_mandate(body(**most))
    assert isinstance(request, MandateRequest)
    assert most.items() <= msgspec.structs.asdict(request).items()
    for name, value in (("purpose", most["purpose"] + "x"), ("uses_max", most["uses_max"] + 1)):
        refused = decode_mandate(body(**most | {name: value}))
        assert isinstance(refused, Problem)
        assert refused.field == name
