"""A bank that holds the money itself, for tests of the ledger: played by calls of the functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from switch.admin import Operator
from switch.ledger import Disposition, Message, Order, Statements, authorize_batch, decide_steps
from switch.message import Payment, Step
from switch.queries import QUERIES
from switch.reads import present_payment
from switch.upkeep import finish_closing, fold_credits
from tests.ledger.city import City, Participant

AUTHORIZATION, CREDIT, REVERSAL = 1, 2, 3
DEADLINE = timedelta(seconds=30)

Side = tuple[Participant, UUID]  # a holder and its account


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """A bank with its position and one customer's account."""

    holder: Participant
    position: UUID
    customer: UUID


class Banking:
    """Decides messages, takes the calls that the switch would make, and answers them."""

    def __init__(
        self, city: City, lane: Statements, jobs: asyncpg.Connection, admin: asyncpg.Connection
    ) -> None:
        self.city = city
        self._lane = lane
        self._jobs = jobs
        self.admin = admin
        self._banks: set[int] = set()

    async def bank(self, *, floor: int = -1000) -> Bank:
        """A bank that can be called."""
        holder = await self.city.participant("bank")
        self._banks.add(holder.no)
        await self.set_url(holder, "https://bank.test/switch")
        return Bank(
            holder=holder,
            position=await self.city.account(holder, "position", floor=floor),
            customer=await self.city.account(holder, "external"),
        )

    async def wallet(self, balance: int, **fields: Any) -> Side:
        """A wallet of a provider of its own."""
        holder = await self.city.participant("wallet")
        return holder, await self.city.account(holder, "wallet", balance=balance, **fields)

    async def set_url(self, holder: Participant, url: str) -> None:
        """Where the bank is called, nowhere for the empty text."""
        await self.admin.execute("SELECT ledger.set_participant($1, NULL, $2)", holder.id, url)

    async def send(self, order: Message) -> Payment | Step:
        """What the sender is answered."""
        decide: Any = authorize_batch if isinstance(order, Order) else decide_steps
        (verdict,) = await decide(self._lane, [order])
        assert verdict.payment is not None
        if verdict.disposition is Disposition.PENDING:
            assert verdict.payment.id == str(order.payment_id)
        answer: Payment | Step = verdict.payment
        return answer

    async def start(
        self,
        *,
        calls_max: int = 100,
        shut: tuple[int, ...] = (),
        probed: tuple[int, ...] = (),
        room: Mapping[int, int] | None = None,
    ) -> dict[tuple[str, int], asyncpg.Record]:
        """The calls of this test's banks to make now, by payment and kind."""
        rows = await self._jobs.fetch(
            QUERIES["start_bank_calls"], 100, DEADLINE, calls_max, shut, probed,
            list(room or {}), list((room or {}).values()),
        )  # fmt: skip
        return {
            (str(row["payment"]), row["kind"]): row
            for row in rows
            if row["participant_no"] in self._banks
        }

    async def answer(
        self,
        payment: Payment | Step,
        kind: int,
        decision: str | None,
        *,
        wait_s: float = 0,
        result: str | None = None,
    ) -> int:
        """What a call came to, None for nothing; how many payments were decided by it."""
        count: int = await self._jobs.fetchval(
            QUERIES["settle_bank_calls"],
            [UUID(payment.id)], [kind], [decision], [result], [timedelta(seconds=wait_s)],
        )  # fmt: skip
        return count

    async def give_up(
        self, bank: Bank, payment: Payment | Step, *, reason: str
    ) -> list[dict[str, Any]]:
        """End what the bank was told of a payment, by the operator; what became of it."""
        operator = Operator(self.admin)
        return await operator.give_up_calls(bank.holder.id, UUID(payment.id), reason=reason)

    async def time_out(self) -> None:
        """Decline what was not answered in time."""
        await self._jobs.execute(QUERIES["time_out_calls"], 100)

    async def now(self, payment: Payment | Step) -> Payment | Step:
        """The payment as its sender sees it."""
        row = await self.admin.fetchrow(QUERIES["read_payments"], None, [UUID(payment.id)])
        assert row is not None
        return present_payment(row)

    async def account(self, account: UUID) -> tuple[int, int]:
        """Balance, with what waits to be added up, and held."""
        row = await self.admin.fetchrow(
            "SELECT balance, held FROM ledger.account_now WHERE id = $1", account
        )
        assert row is not None
        return row["balance"], row["held"]

    async def fold(self) -> None:
        """Add up what waits."""
        await fold_credits(self._jobs, 1000)

    async def is_closed(self, account: UUID) -> bool:
        """Whether an account that closes is closed for good, after the job came by."""
        for _ in range(2):
            await finish_closing(self._jobs)
        lifecycle: str = await self.admin.fetchval(
            "SELECT lifecycle FROM ledger.account WHERE id = $1", account
        )
        return lifecycle == "closed"

    async def entries(self, holder: Participant, account: UUID) -> list[asyncpg.Record]:
        """The statement, as its holder sees it."""
        rows: list[asyncpg.Record] = await self.admin.fetch(
            QUERIES["read_entries"], holder.no, account, 0, 0, 100
        )
        return rows

    async def told(self) -> list[tuple[str, str, int]]:
        """Who was told of what since: participant, payment or step, kind of the event."""
        await self._jobs.execute(QUERIES["sequence_events"], 1000)
        rows = await self.admin.fetch(
            """
            SELECT p.id, e.subject, e.kind FROM ledger.event_run r
              JOIN ledger.participant p USING (participant_no)
             CROSS JOIN LATERAL unnest(r.subjects, r.kinds) WITH ORDINALITY AS e (subject, kind, i)
             ORDER BY r.sequenced_at, e.i, p.id
            """
        )
        return [(row["id"], str(row["subject"]), row["kind"]) for row in rows]
