"""Two requests at once, each at a worker of its own, many rounds of each kind: whatever the order,
it is one order, no cap breaks, no money is lost, and both senders can ask again for their answers.

Nothing here depends on who comes first; each round asks which of the possible orders it was, and
holds everything that is visible against that one.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from switch.clock import SYSTEM_CLOCK
from switch.ledger import SHARD, new_id
from tests.integration.town import Member, Reply, payment
from tests.integration.two_workers import TwoWorkers
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import City

ROUNDS = 40  # of each; some five seconds on a machine of two cores
ROUNDS_LONG = 200
AMOUNT = 100


@pytest.fixture(scope="module")
def town(two_workers: TwoWorkers) -> TwoWorkers:
    """Two workers."""
    return two_workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A POST as often as one likes, the same bytes each time."""

    sender: Member
    target: str
    content: dict[str, Any] | None
    key: str


@dataclass(slots=True, kw_only=True)
class Arena:
    """Two workers, a wallet that began with so much, and a shop that began with nothing."""

    town: TwoWorkers
    wallet: Member
    merchant: Member
    payer: str
    payee: str
    funds: int

    def payment(self, *, key: str | None = None, **more: Any) -> Sent:
        """A purchase in the shop."""
        content = payment(self.payer, self.payee, AMOUNT, type="purchase") | more
        key = key or uuid4().hex
        return Sent(sender=self.wallet, target="/v1/payments", content=content, key=key)

    def step(self, parent: str, kind: str, amount: int | None = None) -> Sent:
        """A step by the shop."""
        return Sent(
            sender=self.merchant,
            target=f"/v1/payments/{parent}/{kind}",
            content=None if amount is None else {"amount": amount},
            key=uuid4().hex,
        )

    async def send(self, sent: Sent, worker: int) -> Reply:
        """Once, to this worker."""
        door = self.town.at(worker)
        return await door.send(sent.sender, "POST", sent.target, content=sent.content, key=sent.key)

    async def decided(self, sent: Sent) -> Any:
        """The decision of something that nobody attacks."""
        reply = await self.send(sent, 0)
        assert reply.status == 201, reply.body
        return reply.json

    async def at_once(self, turn: int, left: Sent, right: Sent) -> tuple[Reply, Reply]:
        """Both at the same time, each to another worker, in every arrangement by the turn."""
        first, second = await self.town.at_once(
            turn, self.send(left, turn // 2), self.send(right, turn // 2 + 1)
        )
        for sent, reply in ((left, first), (right, second)):
            assert reply.is_signed
            assert reply.status in {200, 201, 422}, reply.body
            await self.asked_again(sent, reply)
        return first, second

    async def asked_again(self, sent: Sent, reply: Reply) -> None:
        """The same message gets the same answer at both workers: decided once (P3)."""
        for worker in (0, 1):
            again = await self.send(sent, worker)
            if reply.status == 422:
                assert again.problem == "idempotency-key-reused"
            else:
                assert (again.status, again.body) == (200, reply.body)

    async def now(self, payment_id: str) -> tuple[str, int, int, int]:
        """Status, and what is captured, voided and refunded, as both workers say."""
        left, right = [
            await self.town.at(worker).shown(self.wallet, payment_id) for worker in (0, 1)
        ]
        assert left == right
        amounts = (left[f"amount_{name}"] for name in ("captured", "voided", "refunded"))
        return (left["status"], *amounts)

    async def check(self, moved: int, held: int = 0) -> None:
        """No money was made or lost, nobody is overdrawn, no cap is broken (P1, P2, P5, P8)."""
        balance = await self.town.balance(self.wallet, self.payer)
        assert balance == (self.funds - moved, held)
        assert await self.town.balance(self.merchant, self.payee) == (moved, 0)
        await assert_books_are_right(self.town.operator.connection)


@pytest.fixture(scope="module")
def rounds(long_run: bool) -> range:
    """How often each is tried."""
    return range(ROUNDS_LONG if long_run else ROUNDS)


@pytest_asyncio.fixture(loop_scope="session")
async def arena(town: TwoWorkers, wallet: Member, merchant: Member, payee: str) -> Arena:
    """New participants, and money for every round."""
    funds = ROUNDS_LONG * AMOUNT * 10
    payer = await town.account(wallet, "wallet", balance=funds)
    return Arena(town=town, wallet=wallet, merchant=merchant, payer=payer, payee=payee, funds=funds)


async def test_the_same_key_twice_at_once(arena: Arena, rounds: range) -> None:
    """One decision, told to both; the money moves once."""
    for turn in rounds:
        sent = arena.payment()
        replies = await arena.at_once(turn, sent, sent)
        assert sorted(reply.status for reply in replies) == [200, 201]
        assert replies[0].body == replies[1].body
    await arena.check(len(rounds) * AMOUNT)


async def test_the_same_step_twice_at_once(arena: Arena, rounds: range) -> None:
    """A refund of all that is left, sent twice under one key, is one refund."""
    for turn in rounds:
        paid = await arena.decided(arena.payment())
        sent = arena.step(paid["id"], "refund")
        replies = await arena.at_once(turn, sent, sent)
        assert sorted(reply.status for reply in replies) == [200, 201]
        assert replies[0].body == replies[1].body
        assert await arena.now(paid["id"]) == ("refunded", AMOUNT, 0, AMOUNT)
    await arena.check(0)


async def test_the_same_key_with_other_bytes_at_once(arena: Arena, rounds: range) -> None:
    """One of the two is decided, the other is refused and changes nothing."""
    moved = 0
    for turn in rounds:
        one = arena.payment()
        other = arena.payment(key=one.key, amount=1)
        replies = await arena.at_once(turn, one, other)
        assert sorted(reply.status for reply in replies) == [201, 422]
        [decided] = [reply.json for reply in replies if reply.status == 201]
        moved += decided["amount_captured"]
    await arena.check(moved)


async def test_the_same_key_for_a_payment_and_a_step_at_once(arena: Arena, rounds: range) -> None:
    """A key means one operation, though both come from queues of their own."""
    moved = 0
    for turn in rounds:
        held = await arena.decided(arena.payment(type="transfer", capture=False))
        step = Sent(
            sender=arena.wallet, target=f"/v1/payments/{held['id']}/capture", content=None,
            key=uuid4().hex,
        )  # fmt: skip
        replies = await arena.at_once(turn, arena.payment(key=step.key, amount=1), step)
        assert sorted(reply.status for reply in replies) == [201, 422]
        captured = replies[1].status == 201
        moved += AMOUNT if captured else 1
        assert await arena.now(held["id"]) == (
            ("captured", AMOUNT, 0, 0) if captured else ("held", 0, 0, 0)
        )
        if not captured:
            await arena.decided(arena.step(held["id"], "void"))
    await arena.check(moved)


async def test_two_refunds_over_the_cap_at_once(arena: Arena, rounds: range) -> None:
    """Sixty and sixty of a hundred: one of them, never both."""
    for turn in rounds:
        paid = await arena.decided(arena.payment())
        refunds = [arena.step(paid["id"], "refund", 60) for _ in range(2)]
        replies = await arena.at_once(turn, *refunds)
        assert [reply.status for reply in replies] == [201, 201]
        reasons = {reply.json["reason"] for reply in replies}
        assert reasons == {None, "exceeds_captured"}
        assert await arena.now(paid["id"]) == ("partially_refunded", AMOUNT, 0, 60)
    await arena.check(len(rounds) * 40)


async def test_two_refunds_of_the_last_money_at_once(arena: Arena, rounds: range) -> None:
    """Two payments, and money for one of them left in the shop: one comes back."""
    for turn in rounds:
        payments = [await arena.decided(arena.payment()) for _ in range(2)]
        rent = payment(arena.payee, arena.payer, AMOUNT)
        await arena.decided(
            Sent(sender=arena.merchant, target="/v1/payments", content=rent, key=uuid4().hex)
        )
        refunds = [arena.step(paid["id"], "refund") for paid in payments]
        replies = await arena.at_once(turn, *refunds)
        reasons = [reply.json["reason"] for reply in replies]
        assert set(reasons) == {None, "insufficient_funds"}
        for paid, reason in zip(payments, reasons, strict=True):
            refunded = 0 if reason else AMOUNT
            status = "completed" if reason else "refunded"
            assert await arena.now(paid["id"]) == (status, AMOUNT, 0, refunded)
    await arena.check(0)


async def test_a_refund_while_capturing(arena: Arena, rounds: range) -> None:
    """Seventy back, of forty captured and sixty being captured: only after the capture."""
    moved = 0
    for turn in rounds:
        held = await arena.decided(arena.payment(capture=False))
        await arena.decided(arena.step(held["id"], "capture", 40))
        capture = arena.step(held["id"], "capture", 60)
        refund = arena.step(held["id"], "refund", 70)
        captured, refunded = await arena.at_once(turn, capture, refund)
        assert captured.json["status"] == "completed"
        back = 70 if refunded.json["status"] == "completed" else 0
        assert refunded.json["reason"] == (None if back else "exceeds_captured")
        status = "partially_refunded" if back else "captured"
        assert await arena.now(held["id"]) == (status, AMOUNT, 0, back)
        moved += AMOUNT - back
    await arena.check(moved)


async def test_a_void_against_a_capture(arena: Arena, rounds: range) -> None:
    """Whoever is second finds the hold as the first has left it: gone, or what remained of it."""
    moved = 0
    for turn in rounds:
        part = AMOUNT if turn % 4 < 2 else 40
        held = await arena.decided(arena.payment(capture=False))
        capture = arena.step(held["id"], "capture", part)
        captured, voided = [
            reply.json
            for reply in await arena.at_once(turn, capture, arena.step(held["id"], "void"))
        ]
        if captured["status"] == "completed":
            rest = AMOUNT - part
            assert (voided["amount"], voided["reason"]) == (
                (rest, None) if rest else (None, "wrong_state")
            )
            assert await arena.now(held["id"]) == ("captured", part, rest, 0)
            moved += part
        else:
            assert captured["reason"] == "wrong_state"
            assert (voided["amount"], voided["reason"]) == (AMOUNT, None)
            assert await arena.now(held["id"]) == ("voided", 0, AMOUNT, 0)
    await arena.check(moved)


async def test_two_captures_over_the_hold_at_once(arena: Arena, rounds: range) -> None:
    """Sixty and sixty of a hundred: one of them; all that is left, twice: once."""
    moved = 0
    for turn in rounds:
        held = await arena.decided(arena.payment(capture=False))
        amount = 60 if turn % 4 < 2 else None
        captures = [arena.step(held["id"], "capture", amount) for _ in range(2)]
        replies = await arena.at_once(turn, *captures)
        reasons = {reply.json["reason"] for reply in replies}
        assert reasons == {None, "exceeds_held" if amount else "wrong_state"}
        moved += amount or AMOUNT
        if amount:
            await arena.decided(arena.step(held["id"], "void"))
        assert await arena.now(held["id"]) == (
            "captured",
            amount or AMOUNT,
            AMOUNT - (amount or AMOUNT),
            0,
        )
    await arena.check(moved)


async def test_a_bar_against_the_decision(arena: Arena, rounds: range) -> None:
    """Decided and told so, or barred for good: never paid by one answer and barred by the other."""
    moved = 0
    for turn in rounds:
        paid = arena.payment()
        bar = Sent(
            sender=arena.wallet, target="/v1/payments/bar",
            content={"idempotency_key": paid.key}, key=paid.key,
        )  # fmt: skip
        replies = await arena.at_once(turn, paid, bar)
        assert sorted(reply.status for reply in replies) == [200, 201]
        assert replies[0].body == replies[1].body
        decision = replies[0].json
        first = "completed" if replies[0].status == 201 else "declined"
        assert (decision["status"], decision["reason"] == "barred") == (first, first == "declined")
        moved += decision["amount_captured"]
    await arena.check(moved)


async def test_a_bar_against_a_step(arena: Arena, rounds: range) -> None:
    """The same for a refund."""
    moved = 0
    for turn in rounds:
        paid = await arena.decided(arena.payment())
        refund = arena.step(paid["id"], "refund")
        bar = Sent(
            sender=arena.merchant, target="/v1/payments/bar",
            content={"idempotency_key": refund.key}, key=refund.key,
        )  # fmt: skip
        replies = await arena.at_once(turn, refund, bar)
        assert sorted(reply.status for reply in replies) == [200, 201]
        assert replies[0].body == replies[1].body
        is_barred = replies[1].status == 201
        assert (replies[0].json["reason"] == "barred") is is_barred
        moved += AMOUNT if is_barred else 0
        status = "completed" if is_barred else "refunded"
        assert await arena.now(paid["id"]) == (status, AMOUNT, 0, 0 if is_barred else AMOUNT)
    await arena.check(moved)


async def test_the_reversal_of_a_top_up_while_it_is_spent(arena: Arena, rounds: range) -> None:
    """The operator takes back what is still there, or nothing: the wallet never owes."""
    town, operator = arena.town, arena.town.operator
    bank = await town.member("bank")
    position = await town.account(bank, "position", floor=-(10**6))
    moved = 0
    for turn in rounds:
        wallet = await town.account(arena.wallet, "wallet")
        top_up = await town.pay(bank, position, wallet, AMOUNT, type="top_up")
        mistake, reversal = UUID(top_up.json["id"]), new_id(SYSTEM_CLOCK.now_us())
        purchase = arena.payment(payer=wallet)
        paid, (_, outcome) = await town.at_once(
            turn,
            arena.send(purchase, turn // 2),
            operator.reverse(mistake, reason="by mistake", payment_id=reversal),
        )
        assert (paid.status, outcome) == (
            201,
            "approved" if paid.json["reason"] else "insufficient_funds",
        )
        assert paid.json["reason"] in {None, "insufficient_funds"}
        await arena.asked_again(purchase, paid)
        again = await operator.reverse(mistake, reason="by mistake", payment_id=reversal)
        assert again == (reversal, outcome)
        assert await town.balance(arena.wallet, wallet) == (0, 0)
        moved += paid.json["amount_captured"]
        assert (await town.shown(bank, str(mistake)))["status"] == (
            "refunded" if outcome == "approved" else "completed"
        )
    assert (await town.balance(bank, position))[0] == -moved
    assert (await town.balance(arena.merchant, arena.payee))[0] == moved
    await assert_books_are_right(operator.connection)


async def test_a_capture_against_the_expiry(arena: Arena, rounds: range) -> None:
    """Captured in time or expired; while the clock is moved and the jobs post what expired."""
    connection = arena.town.operator.connection
    clock = City(connection, "clock")
    await clock.own_the_clock()
    moved = 0
    for turn in rounds:
        held = await arena.decided(arena.payment(capture=False, hold_seconds=60))
        capture = arena.step(held["id"], "capture", 70)

        async def expire(turn: int = turn) -> None:
            await clock.set_ahead(timedelta(seconds=61 * (turn + 1)))
            await connection.fetchval("SELECT ledger.expire_holds($1::smallint, 100)", SHARD)

        captured, _ = await arena.town.at_once(turn, arena.send(capture, turn // 2), expire())
        assert captured.status == 201, captured.body
        await arena.asked_again(capture, captured)
        assert captured.json["reason"] in {None, "hold_expired"}
        if captured.json["reason"] is None:
            moved += 70
            assert await arena.now(held["id"]) == ("captured", 70, 0, 0)
        else:
            assert await arena.now(held["id"]) == ("expired", 0, 0, 0)
        late = await arena.decided(arena.step(held["id"], "capture"))
        assert late["reason"] == "hold_expired"
    await connection.fetchval("SELECT ledger.expire_holds($1::smallint, 100)", SHARD)
    await arena.check(moved)
