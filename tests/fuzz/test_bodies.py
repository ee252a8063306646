"""Bodies that are wrong inside requests that are right: verified, and then refused by their rule.

Every answer is signed, so nobody can mistake who refused; no refusal spends a key, and what is
decided is what a strict reader finds in the bytes.
"""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from tests.fuzz import body_corpus
from tests.fuzz.checking import all_of
from tests.fuzz.http_corpus import Case
from tests.fuzz.target import Target
from tests.fuzz.wire import signed
from tests.integration.town import Member

ROUND = 2_000  # payments signed at a time


async def test_odd_bodies_that_are_well_signed_spend_no_key(target: Target, seed: int) -> None:
    """What is wrong inside a verified message is named in a signed 400, and its key stays free."""
    content = target.payment(reference="r", metadata={"a": "b"}, expires_at="2090-01-01T00:00:00Z")
    bodies = [*body_corpus.odd_fields(content), *body_corpus.odd_bodies(content)]
    await check_bodies(target, bodies, random.Random(seed))


async def test_mutated_payments_signed_anew_are_decided_or_refused(
    target: Target, seed: int, long_run: bool
) -> None:
    """Whatever a seed makes of a payment: decided as it stands, or refused without a trace."""
    rng = random.Random(seed)
    content = target.payment(reference="r", metadata={"a": "b"}, description="d")
    count = 30_000 if long_run else 800
    for begin in range(0, count, ROUND):  # a signature is good for minutes, a long run longer
        numbers = range(begin, min(begin + ROUND, count))
        bodies = [(f"mutation {n}", body_corpus.mutated(content, rng)) for n in numbers]
        await check_bodies(target, bodies, rng)


async def check_bodies(
    target: Target, bodies: Sequence[tuple[str, bytes]], rng: random.Random
) -> None:
    """Each signed under a key of its own: the keys spent are those of the decisions, no others."""
    decided = set()

    async def check(case: Case) -> None:
        assert case.sent is not None
        answer = await target.ask(case.sent)
        target.check_signed(answer, case.sent)
        assert answer.status in {200, 201, 400, 413}, answer
        if answer.status in {200, 201}:
            decided.add(key_of(case))
            check_decision(answer.json, case.sent.body)
            again = await target.ask(case.sent)
            assert (again.status, again.body) == (200, answer.body), again
        else:
            assert answer.problem in {"malformed-message", "body-too-large"}, answer

    cases = []
    for name, body in bodies:
        sent = target.signed_payment(target.wallet, body, key=f"b-{rng.getrandbits(128):032x}")
        cases.append(Case(name=name, pieces=[sent.data], sent=sent))
    await all_of(cases, check)
    spent = await target.claimed(target.wallet)
    assert {key_of(case) for case in cases} & spent == decided
    await target.check_serving()


def key_of(case: Case) -> str:
    """The idempotency key of a case."""
    assert case.sent is not None
    assert case.sent.bound.idempotency_key is not None
    return case.sent.bound.idempotency_key.strip('"')


def check_decision(decision: dict[str, Any], body: bytes) -> None:
    """The decision is about what a strict reader finds in the body, and nothing else."""
    content = json.loads(body)
    assert type(content["amount"]) is int
    for name in ("type", "amount", "currency", "reference", "payee_reference", "description"):
        assert decision[name] == content.get(name), name
    assert UUID(decision["payer"]) == UUID(content["payer"])
    assert UUID(decision["payee"]) == UUID(content["payee"])
    assert decision["metadata"] == content.get("metadata")


async def test_odd_bodies_for_accounts_are_refused(target: Target, seed: int) -> None:
    """Opening and freezing take no more nonsense than a payment does."""
    rng = random.Random(seed)
    content: dict[str, object] = {"currency": "CNY", "kind": "wallet", "reference": "r"}
    bodies = [body_corpus.mutated(content, rng) for _ in range(200)]
    bodies += [body for _, body in body_corpus.odd_bodies(content)]
    bodies += odd_values({"currency": "CNY", "kind": "wallet"}, "tier")
    places = ["/v1/accounts", f"/v1/accounts/{target.payee}/freeze", "/v1/accounts/x/close"]
    posts = [(places[n % len(places)], body) for n, body in enumerate(bodies)]
    texts = (str, type(None))
    may = {"currency": (str,), "kind": (str,), "reference": texts, "tier": texts}
    await check_posts(target, target.wallet, posts, may)


async def test_odd_bodies_for_steps_are_refused(target: Target, seed: int) -> None:
    """Capture, void and refund decide what they can read, under its key, and refuse the rest."""
    rng = random.Random(seed)
    held = target.payment(capture=False) | {"amount": 10**6}
    paid = await target.ask(target.signed_payment(target.wallet, held, key=uuid4().hex))
    assert paid.json["status"] == "held"
    content: dict[str, object] = {"amount": 1, "final": False}
    bodies = [body_corpus.mutated(content, rng) for _ in range(200)]
    bodies += [body for _, body in body_corpus.odd_bodies(content)]
    bodies += odd_values({}, "amount") + odd_values({"amount": 1}, "final")
    parents = [paid.json["id"], str(target.payee), "x"]
    posts = [
        (f"/v1/payments/{parents[n % len(parents)]}/{step}", body)
        for step in ("refund", "capture", "void")  # the last of them leaves nothing to be held
        for n, body in enumerate(bodies)
    ]
    may = {"amount": (int, type(None)), "final": (bool,)}
    await check_posts(target, target.members["merchant"], posts, may)


async def test_odd_bodies_for_a_bar_bar_nothing(target: Target) -> None:
    """A key is barred by a body that names it, and by no other."""
    bodies = odd_values({}, "idempotency_key")
    bodies += [body for _, body in body_corpus.odd_bodies({"idempotency_key": "another"})]
    posts = [("/v1/payments/bar", body) for body in bodies]
    assert not await check_posts(target, target.wallet, posts, {})


def odd_values(content: dict[str, object], name: str) -> list[bytes]:
    """The content with each odd value under one more name."""
    begin = json.dumps(content)[:-1] + (", " if content else "")
    texts = [f'{begin}"{name}": {value}}}' for value in body_corpus.ODD_VALUES]
    return [text.encode("utf-8", "surrogatepass") for text in texts]


async def check_posts(
    target: Target,
    member: Member,
    posts: Sequence[tuple[str, bytes]],
    may: Mapping[str, tuple[type, ...]],
) -> set[str]:
    """Each under a key of its own, which is spent if it is answered and not if it is refused.

    What is answered has no members but those that it may have, each once and of its type.
    """
    cases = []
    for place, body in posts:
        key = uuid4().hex
        sent = signed(member.key, target.authority, "POST", place, body, idempotency_key=key)
        cases.append(Case(name=f"{place} {body[:60]!r}", pieces=[sent.data], sent=sent))
    done = set()

    async def check(case: Case) -> None:
        assert case.sent is not None
        answer = await target.ask(case.sent)
        target.check_signed(answer, case.sent)
        assert answer.status in {200, 201, 400, 404}, answer
        if answer.status in {200, 201}:
            done.add(key_of(case))
            pairs = json.loads(case.sent.body or b"{}", object_pairs_hook=list)
            assert len(dict(pairs)) == len(pairs), pairs
            assert all(type(value) in may.get(name, ()) for name, value in pairs), pairs

    await all_of(cases, check)
    assert {key_of(case) for case in cases} & await target.claimed(member) == done
    await target.check_serving()
    return done
