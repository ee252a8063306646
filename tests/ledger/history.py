"""What several connections saw, and whether some serial order explains it.

A history is a set of batches with their answers and the time each was open. It is explained when
the messages can be put in one order such that the model, deciding one after the other, gives every
answer that was seen; messages of one batch keep their order, a batch that ended before another
began comes first, and the debits of one payer come in the order of their posting numbers.

The search goes message by message. What has been decided fixes what the ledger looks like, whatever
the order, so a set of decided messages that led nowhere once need not be tried again: with n
messages in each of k batches there are at most (n + 1)^k such sets.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from switch.ledger import Disposition, Order
from tests.ledger.model import Decision, Ledger

Progress = tuple[int, ...]  # how many messages of each batch are decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One call of the deciding function, seen from the connection that made it."""

    lane: int
    orders: list[Order]
    decisions: list[Decision]
    postings: list[int | None]  # the payer's posting number where the payment was approved
    decided_at: datetime
    began: float  # of one monotonic clock
    ended: float


@dataclass(slots=True, kw_only=True)
class Search:
    """A depth-first search that plays the messages into the model and takes them back."""

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
        if done[index] == len(batch.orders):
            return False
        return all(
            done[other] == len(earlier.orders)
            for other, earlier in enumerate(self.batches)
            if earlier.ended < batch.began
        )

    def _try(self, done: Progress, index: int) -> bool:
        batch, position = self.batches[index], done[index]
        order, seen, posting = (
            batch.orders[position], batch.decisions[position], batch.postings[position],
        )  # fmt: skip
        payer = order.request.payer
        before = self.last_posting.get(payer, 0)
        if posting is not None and posting <= before:
            return False
        if self.ledger.answer(order, batch.decided_at) != seen:
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
            self.ledger.erase(order, seen, batch.decided_at)
        return False

    def explain(self) -> str:
        """How far the best try came, what stood next in each batch, what the model says to it."""
        for index, position in self._replay():
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
                    f"  payer {self.ledger.accounts.get(order.request.payer)}",
                    f"  payee {self.ledger.accounts.get(order.request.payee)}",
                ]
        return "\n".join(lines)

    def _replay(self) -> list[tuple[int, int]]:
        """What the best try decided, in any order: the sum is the same."""
        return [
            (index, position)
            for index, done in enumerate(self.furthest)
            for position in range(done)
            if self.batches[index].decisions[position].disposition is Disposition.DECIDED
        ]
