"""Malformed requests over raw sockets: the switch refuses them and goes on as if nothing had been.

Whatever is sent: no answer is a fault of the switch, every answer is HTTP, the log holds no
traceback, no refused request spends a key or moves money, the worker neither dies nor grows.
"""

import asyncio
import random
from functools import partial

import pytest

from switch.clock import SYSTEM_CLOCK
from tests.fuzz import body_corpus, http_corpus, query_corpus, signature_corpus
from tests.fuzz.checking import all_of, check_answers, check_case
from tests.fuzz.http_corpus import Case
from tests.fuzz.target import Target
from tests.fuzz.wire import Sent


@pytest.fixture
def good(target: Target, seed: int) -> http_corpus.Good:
    """Makes good payments."""
    rng = random.Random(seed)

    def make() -> Sent:
        key = f"{rng.getrandbits(128):032x}"
        return target.signed_payment(target.wallet, target.payment(), key=key)

    return make


def http_cases(
    family: str, good: http_corpus.Good, rng: random.Random, authority: str, *, count: int
) -> list[Case]:
    """All cases of one family."""
    match family:
        case "truncated":
            return list(http_corpus.truncated(good, rng, count))
        case "smuggled" | "hosts" | "starts":
            return list(getattr(http_corpus, family)(good, authority))
    return list(getattr(http_corpus, family)(good))


@pytest.mark.parametrize(
    "family",
    ["truncated", "lengths", "chunked", "large", "duplicates", "injections", "odd_lines", "hosts",
     "smuggled", "starts"],
)  # fmt: skip
async def test_what_is_wrong_as_http_is_refused(
    target: Target, good: http_corpus.Good, seed: int, long_run: bool, family: str
) -> None:
    """Bytes that are not one good request harm neither the switch nor anybody's money."""
    count = 400 if long_run else 40

    rng = random.Random(seed)
    cases = http_cases(family, good, rng, target.authority, count=count)
    await all_of(cases, partial(check_case, target))
    await target.check_serving()


@pytest.mark.parametrize("family", ["odd_fields", "odd_parameters", "odd_components", "odd_keys"])
async def test_absurd_signatures_are_refused(
    target: Target, good: http_corpus.Good, family: str
) -> None:
    """No structured field, parameter or component is too odd to be read or refused."""
    if family == "odd_fields":
        cases = list(signature_corpus.odd_fields(good))
    else:
        now_s = SYSTEM_CLOCK.now_us() // 1_000_000
        cases = list(getattr(signature_corpus, family)(good, target.wallet.key, now_s))
    await all_of(cases, partial(check_case, target))
    await target.check_serving()


async def test_odd_targets_of_look_ups_are_answered(target: Target, good: http_corpus.Good) -> None:
    """A path or a query, signed as it stands, finds something, nothing, or the rule it breaks."""
    paid = await target.ask(good())
    targets = query_corpus.targets(str(target.payer), paid.json["id"])

    async def check(case: Case) -> None:
        assert case.sent is not None
        answer = await target.ask(case.sent)
        assert answer.status in {200, 400, 404}, answer
        target.check_signed(answer, case.sent)

    cases = []
    for place in targets:
        sent = target.signed_get(target.wallet, place)
        cases.append(Case(name=place[:80], pieces=[sent.data], sent=sent))
    await all_of(cases, check)
    await target.check_serving()


async def test_signed_bytes_changed_on_the_way_are_never_obeyed(
    target: Target, seed: int, long_run: bool
) -> None:
    """A request changed after it was signed is refused, or what was signed is what is decided."""
    rng = random.Random(seed)
    member = target.members["stranger"]
    signed_digests = {}

    async def check(case: Case) -> None:
        received = await target.send(case.pieces)
        check_answers(received)
        assert case.sent is not None
        for answer in received.answers:
            if answer.status == 201:
                target.check_signed(answer, case.sent)
                assert answer.json["request_digest"] == case.sent.bound.content_digest

    cases = []
    for number in range(20_000 if long_run else 800):
        key = f"m-{rng.getrandbits(128):032x}"
        sent = target.signed_payment(member, target.payment(description="d"), key=key)
        signed_digests[key] = sent.bound.content_digest
        data = sent.data
        for _ in range(rng.choice([1, 1, 2, 4])):
            data = body_corpus.mutated_bytes(data, rng)
        cases.append(Case(name=f"change {number}", pieces=[data], sent=sent))
    await all_of(cases, check)
    claims = await target.claims(member)
    assert claims == {key: signed_digests.get(key) for key in claims}
    await target.check_serving()


async def test_callers_that_break_off_leave_nothing_behind(
    target: Target, good: http_corpus.Good, seed: int, long_run: bool
) -> None:
    """A connection reset at any point harms nobody; a payment sent whole is decided once."""
    rng = random.Random(seed)
    for place in http_corpus.cuts(good(), rng, 400 if long_run else 40):
        await target.break_off([good().data[:place]])
    whole = [good() for _ in range(100)]
    await asyncio.gather(*(target.break_off([sent.data]) for sent in whole))
    decisions = set()

    async def ask_again(case: Case) -> None:
        assert case.sent is not None
        for _ in range(2):
            answer = await target.ask(case.sent)
            target.check_signed(answer, case.sent)
            assert answer.status in {200, 201}, answer
            decisions.add(answer.body)

    cases = [Case(name=f"reset {n}", pieces=[one.data], sent=one) for n, one in enumerate(whole)]
    await all_of(cases, ask_again)
    assert len(decisions) == len(whole), "a key has one decision"
    await target.check_serving()
