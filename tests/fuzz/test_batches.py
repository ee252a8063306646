"""Batches that are wrong inside or around: verified, and then answered payment by payment.

No payment harms its neighbours, no refusal spends a key, and a payment that can be read is answered
as it would be alone.
"""

import asyncio
import json
import random
from collections.abc import Sequence

from switch import limits
from tests.fuzz import body_corpus
from tests.fuzz.checking import all_of
from tests.fuzz.http_corpus import Case
from tests.fuzz.target import ASK_MAX, ASK_PAUSE_S, Target
from tests.fuzz.wire import Sent, WireAnswer, signed
from tests.integration.town import Member

PLACE = "/v1/payments/batch"
BLANKS = b" \t\r\n"  # what JSON has for white space


def batch(payments: Sequence[tuple[str, bytes]]) -> bytes:
    """The body of a batch of these bytes."""
    items = [
        b'{"idempotency_key": "' + key.encode() + b'", "payment": ' + body + b"}"
        for key, body in payments
    ]
    return b'{"payments": [' + b", ".join(items) + b"]}"


def sent_by(target: Target, member: Member, body: bytes) -> Sent:
    """A batch, well signed whatever stands in it."""
    return signed(member.key, target.authority, "POST", PLACE, body, idempotency_key="batch")


async def ask(target: Target, member: Member, body: bytes) -> WireAnswer:
    """The signed answer; what is not decided for now is asked again, with all the rest."""
    for _ in range(ASK_MAX):
        sent = sent_by(target, member, body)
        answer = await target.ask(sent)
        target.check_signed(answer, sent)
        busy = answer.status == 200 and {429, 503, 504} & {
            one["status"] for one in answer.json["answers"]
        }
        if answer.status != 429 and not busy:
            return answer
        await asyncio.sleep(ASK_PAUSE_S)
    raise AssertionError(f"asked {ASK_MAX} times: {answer}")


async def test_odd_payments_harm_no_neighbour(target: Target, seed: int) -> None:
    """Between two good ones: these are decided, the odd one is answered as it would be alone."""
    rng = random.Random(seed)
    content = target.payment(reference="r", metadata={"a": "b"}, expires_at="2090-01-01T00:00:00Z")
    odd = [*body_corpus.odd_fields(content), *body_corpus.odd_bodies(content)]
    odd += [(f"mutation {n}", body_corpus.mutated(content, rng)) for n in range(300)]
    good = json.dumps(target.payment()).encode()
    decided: set[str] = set()

    async def check(case: Case) -> None:
        name, body = case.name, case.pieces[0]
        keys = [f"{name}-{number}" for number in range(3)]
        answer = await ask(
            target, target.wallet, batch([(keys[0], good), (keys[1], body), (keys[2], good)])
        )
        if answer.status == 400:  # not one value of JSON, so it was no batch
            return
        assert answer.status == 200, answer
        first, second, third = answer.json["answers"]
        assert {first["status"], third["status"]} <= {200, 201}, answer
        assert second["status"] in {200, 201, 400}, answer
        decided.update(
            one["idempotency_key"] for one in (first, second, third) if one["status"] < 400
        )
        if len(body) <= limits.BODY_BYTES_MAX:
            sent = target.signed_payment(target.wallet, body.strip(BLANKS), key=keys[1])
            alone = await target.ask(sent)
            assert alone.json == second["body"], alone
            assert alone.body in answer.body

    cases, prefix = [], f"{rng.getrandbits(64):016x}"
    for number, (_, body) in enumerate(odd):
        cases.append(Case(name=f"{prefix}-{number}", pieces=[body]))
    await all_of(cases, check)
    spent = {key for key in await target.claimed(target.wallet) if key.startswith(prefix)}
    assert spent == decided
    assert len(decided) > len(cases), "most odd payments were read as payments"
    await target.check_serving()


async def test_mutated_batches_are_answered_or_refused(
    target: Target, seed: int, long_run: bool
) -> None:
    """Whatever a seed makes of the bytes of a batch: the keys spent are those of its decisions."""
    rng = random.Random(seed)
    good = json.dumps(target.payment()).encode()
    prefix = f"{rng.getrandbits(64):016x}"
    decided: set[str] = set()
    statuses: set[int] = set()

    async def check(case: Case) -> None:
        answer = await ask(target, target.wallet, case.pieces[0])
        statuses.add(answer.status)
        assert answer.status in {200, 400}, answer
        if answer.status == 200:
            for one in answer.json["answers"]:
                assert one["status"] in {200, 201, 400, 422}, one
                decided.update([one["idempotency_key"]] if one["status"] < 400 else [])

    cases = []
    for number in range(10_000 if long_run else 600):
        body = batch([(f"{prefix}-{number}-{place}", good) for place in range(3)])
        for _ in range(rng.randrange(1, 4)):
            body = body_corpus.mutated_bytes(body, rng)
        cases.append(Case(name=f"batch {number}", pieces=[body]))
    await all_of(cases, check)
    spent = {key for key in await target.claimed(target.wallet) if key.startswith(prefix)}
    assert spent == {key for key in decided if key.startswith(prefix)}
    assert statuses == {200, 400}
    await target.check_serving()


async def test_full_batches_at_once_stay_within_the_workers_memory(
    target: Target, seed: int
) -> None:
    """A thousand payments and 1 MiB each, more of them than are taken on at a time."""
    rng = random.Random(seed)
    size = limits.BATCH_BODY_BYTES_MAX // limits.BATCH_PAYMENTS_MAX - 90  # without its key
    text = json.dumps(target.payment(metadata={"0": "", "1": "", "2": "", "3": ""}))
    value = "é" * ((size - len(text)) // 8)
    metadata = {str(number): value for number in range(4)}
    body = json.dumps(target.payment(metadata=metadata), ensure_ascii=False).encode()

    async def one(member: Member) -> None:
        prefix = f"full-{rng.getrandbits(64):016x}"
        payments = [(f"{prefix}-{number}", body) for number in range(limits.BATCH_PAYMENTS_MAX)]
        full = batch(payments)
        assert 0.95 * limits.BATCH_BODY_BYTES_MAX < len(full) <= limits.BATCH_BODY_BYTES_MAX
        answer = await ask(target, member, full)
        assert answer.status == 200, answer
        assert {each["status"] for each in answer.json["answers"]} <= {200, 201}

    senders = [target.members[name] for name in ("wallet", "explorer", "bank")]
    await asyncio.gather(*(one(member) for member in senders * 4))
    await target.check_serving()
