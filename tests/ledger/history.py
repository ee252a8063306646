"""What several connections saw, and whether some serial order explains it.

A history is a set of batches with their answers and the time each was open. It is explained when
the messages can be put in one order such that the model, deciding one after the other, gives every
answer that was seen, a batch that ended before another began comes first, and the debits of one
payer come in the order of their posting numbers.

The first search keeps each batch's own order. It nearly always succeeds, but must not: a credit is
not locked, so of two batches that are open at once each may miss the other's credits and decline
for funds what the other has just paid in. Both declines were true when they were made, before
either credit was known to anybody. So the second search lets a message that was declined stand
earlier than its place in its batch, though never before a message of that batch that had moved the
money it was about.

Neither search tries twice what led nowhere: what has been decided fixes what the ledger looks like,
in whatever order it was decided.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from switch.ledger import Disposition, Order
from switch.outcome import Outcome
from tests.ledger.funds import plan
from tests.ledger.model import Decision, Ledger

Draws = tuple[tuple[UUID, int], ...]  # account and amount, in the order of drawing
Progress = tuple[int, ...]  # how many messages of each batch are decided

STEPS_MAX = 20_000  # of the second search: what has an order has it in a few hundred


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One call of the deciding function, seen from the connection that made it."""

    lane: int
    orders: list[Order]
    decisions: list[Decision]
    postings: list[int | None]  # the payer's posting number where money moved, not where it is held
    decided_at: datetime
    began: float  # of one monotonic clock
    ended: float
    draws: list[Draws] = field(default_factory=list)  # what purses and a coupon paid of each


def explain(ledger: Ledger, batches: list[Batch]) -> str | None:
    """None if some order explains the history, and the model has then decided it; else how far."""
    search = Search(ledger=ledger, batches=batches)
    if search.run() or EarlyDeclines(ledger=ledger, batches=batches).run():
        return None
    return search.explain()


@dataclass(slots=True, kw_only=True)
class Search:
    """Each batch in its own order: a depth-first search that plays messages and takes them back."""

    ledger: Ledger
    batches: list[Batch]
    last_posting: dict[UUID, int] = field(default_factory=dict)
    hopeless: set[Progress] = field(default_factory=set)
    furthest: Progress = ()

    def run(self) -> bool:
        """Whether there is an order; if so the model has decided everything in it."""
        self.batches = sorted(self.batches, key=lambda batch: batch.decided_at)
        self.furthest = (0,) * len(self.batches)
        return self._go(self.furthest, 0)

    def _go(self, done: Progress, current: int) -> bool:
        if sum(done) > sum(self.furthest):
            self.furthest = done
        if all(n == len(batch.orders) for n, batch in zip(done, self.batches, strict=True)):
            return True
        if done in self.hopeless:
            return False
        others = [index for index in range(len(done)) if index != current]
        for index in (current, *others):
            if self._may_go_on(done, index) and self._try(done, index):
                return True
        self.hopeless.add(done)
        return False

    def _may_go_on(self, done: Progress, index: int) -> bool:
        batch = self.batches[index]
        return done[index] < len(batch.orders) and all(
            done[other] == len(earlier.orders)
            for other, earlier in enumerate(self.batches)
            if earlier.ended < batch.began
        )

    def _try(self, done: Progress, index: int) -> bool:
        batch, position = self.batches[index], done[index]
        order, seen, posting = (
            batch.orders[position], batch.decisions[position], batch.postings[position],
        )  # fmt: skip
        payer = self.ledger.payer_id(order)
        before = self.last_posting.get(payer, 0)
        if posting is not None and posting <= before:
            return False
        if self.ledger.answer(order, batch.decided_at) != seen:
            return False
        if not _draws_agree(self.ledger, batch, position):
            return False
        decides = seen.disposition is Disposition.DECIDED
        if decides:
            self.ledger.record(order, seen, batch.decided_at)
        if posting is not None:
            self.last_posting[payer] = posting
        if self._go((*done[:index], position + 1, *done[index + 1 :]), index):
            return True
        if posting is not None:
            self.last_posting[payer] = before
        if decides:
            self.ledger.erase(order, batch.decided_at)
        return False

    def explain(self) -> str:
        """How far the best try came, what stood next in each batch, what the model says to it."""
        replayed = self._replay()
        for index, position in replayed:
            batch = self.batches[index]
            self.ledger.record(batch.orders[position], batch.decisions[position], batch.decided_at)
        lines = [f"decided {self.furthest} of {[len(batch.orders) for batch in self.batches]}"]
        for done, batch in zip(self.furthest, self.batches, strict=True):
            lines.append(f"lane {batch.lane}, {batch.began} to {batch.ended}: {done} decided")
            if done < len(batch.orders):
                order = batch.orders[done]
                lines += [
                    f"  next {order.request}",
                    f"  seen {batch.decisions[done]}",
                    f"  model {self.ledger.answer(order, batch.decided_at)}",
                    f"  payer {self.ledger.payer(order)}",
                    f"  payee {self.ledger.accounts.get(order.request.payee)}",
                ]
        for index, position in replayed:
            batch = self.batches[index]
            self.ledger.erase(batch.orders[position], batch.decided_at)
        return "\n".join(lines)

    def _replay(self) -> list[tuple[int, int]]:
        """What the best try decided, in any order: the sum is the same."""
        return [
            (index, position)
            for index, done in enumerate(self.furthest)
            for position in range(done)
            if self.batches[index].decisions[position].disposition is Disposition.DECIDED
        ]


Message = tuple[int, int]  # of which batch, at which position

# What a decline was about, by its reason: the balance and the day of one side of the payment.
OF_THE_PAYER = {
    Outcome.INSUFFICIENT_FUNDS,
    Outcome.DAILY_LIMIT_EXCEEDED,
    Outcome.YEARLY_LIMIT_EXCEEDED,
    Outcome.MANDATE_USED,
    Outcome.MANDATE_LIMIT_EXCEEDED,
}
OF_THE_REQUEST = {Outcome.REQUEST_PAID, Outcome.REQUEST_AMOUNT_MISMATCH}
OF_THE_PAYEE = {Outcome.PAYEE_BALANCE_LIMIT_EXCEEDED}


@dataclass(slots=True, kw_only=True)
class EarlyDeclines:
    """Declines may come early. What moves no money is decided as soon as the model agrees, which
    can only help what follows; the search is over the order of the payments that were approved."""

    ledger: Ledger
    batches: list[Batch]
    steps: int = 0
    hopeless: set[frozenset[Message]] = field(default_factory=set)

    def run(self) -> bool:
        """Whether there is an order; if so the model has decided everything in it."""
        self.batches = sorted(self.batches, key=lambda batch: batch.decided_at)
        return self._go(frozenset(), {})

    def _go(self, done: frozenset[Message], last_posting: dict[UUID, int]) -> bool:
        idle = self._decide_what_moves_nothing(done)
        done |= frozenset(idle)
        waiting = [message for message in self._all() if message not in done]
        if not waiting:
            return True
        self.steps += 1
        if done not in self.hopeless and self.steps < STEPS_MAX:
            for message in waiting:
                if self._moves(message) and self._try(message, done, last_posting):
                    return True
            self.hopeless.add(done)
        for message in reversed(idle):
            self._erase(message)
        return False

    def _try(
        self, message: Message, done: frozenset[Message], last_posting: dict[UUID, int]
    ) -> bool:
        order, _, posting = self._at(message)
        payer = self.ledger.payer_id(order)
        last = last_posting.get(payer, 0)
        if posting is not None and posting <= last:
            return False
        if not self._agrees(message, done):
            return False
        self._record(message)
        if self._go(done | {message}, last_posting | {payer: posting or last}):
            return True
        self._erase(message)
        return False

    def _decide_what_moves_nothing(self, done: frozenset[Message]) -> list[Message]:
        decided: list[Message] = []
        found = True
        while found:
            found = False
            for message in self._all():
                known = done | frozenset(decided)
                if message in known or self._moves(message):
                    continue
                if self._agrees(message, known):
                    self._record(message)
                    decided.append(message)
                    found = True
        return decided

    def _agrees(self, message: Message, done: frozenset[Message]) -> bool:
        """Whether the message may stand here, and the model gives it the answer that was seen."""
        order, seen, _ = self._at(message)
        batch = self.batches[message[0]]
        return (
            all(other in done for other in self._before(message))
            and self.ledger.answer(order, batch.decided_at) == seen
            and _draws_agree(self.ledger, batch, message[1])
        )

    def _before(self, message: Message) -> Iterator[Message]:
        """What must have been decided: earlier batches, and of its own what it depends on."""
        index, position = message
        batch = self.batches[index]
        for other, earlier in enumerate(self.batches):
            if earlier.ended < batch.began:
                yield from ((other, n) for n in range(len(earlier.orders)))
        order, seen, _ = self._at(message)
        side = self._declined_for(order, seen)
        for n in range(position):
            earlier_order = batch.orders[n]
            touched = {
                self.ledger.payer_id(earlier_order),
                earlier_order.request.payee,
                earlier_order.request.request,
                *self._funds_of(earlier_order),
            }
            if earlier_order.key == order.key or (self._moves((index, n)) and side in touched):
                yield index, n

    def _all(self) -> Iterator[Message]:
        for index, batch in enumerate(self.batches):
            yield from ((index, position) for position in range(len(batch.orders)))

    def _at(self, message: Message) -> tuple[Order, Decision, int | None]:
        batch, position = self.batches[message[0]], message[1]
        return batch.orders[position], batch.decisions[position], batch.postings[position]

    def _moves(self, message: Message) -> bool:
        """Whether it changed what others may spend: money moved, or is held."""
        _, seen, _ = self._at(message)
        return seen.disposition is Disposition.DECIDED and seen.outcome is Outcome.APPROVED

    def _record(self, message: Message) -> None:
        order, seen, _ = self._at(message)
        if seen.disposition is Disposition.DECIDED:
            self.ledger.record(order, seen, self.batches[message[0]].decided_at)

    def _erase(self, message: Message) -> None:
        order, seen, _ = self._at(message)
        if seen.disposition is Disposition.DECIDED:
            self.ledger.erase(order, self.batches[message[0]].decided_at)

    def _declined_for(self, order: Order, seen: Decision) -> UUID | None:
        """What's state was the reason of a decline: an account's, its mandate's, a request's."""
        if seen.outcome in OF_THE_REQUEST:
            return order.request.request
        if seen.outcome is Outcome.COUPON_USED:
            return self._campaign_of(order)
        if seen.outcome in OF_THE_PAYER:
            return self.ledger.payer_id(order)
        return order.request.payee if seen.outcome in OF_THE_PAYEE else None

    def _funds_of(self, order: Order) -> set[UUID | None]:
        """Whose means it changed beside those of payer and payee."""
        purse = self.ledger.funds.purses.get(order.request.payee)
        return {self._campaign_of(order), purse.wallet if purse else None} - {None}

    def _campaign_of(self, order: Order) -> UUID | None:
        coupon = self.ledger.funds.coupons.get(order.request.coupon or order.payment_id)
        return coupon.campaign if coupon else None


def _draws_agree(ledger: Ledger, batch: Batch, position: int) -> bool:
    """Whether the model draws what was drawn, where the message was approved here."""
    order, seen = batch.orders[position], batch.decisions[position]
    if seen.disposition is not Disposition.DECIDED or seen.outcome is not Outcome.APPROVED:
        return True
    seen_draws = batch.draws[position] if batch.draws else ()
    return plan(ledger, order, ledger.payer(order), batch.decided_at).draws == seen_draws
