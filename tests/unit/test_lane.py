"""A lane whose batch meets a backlog of credits: who waits, who is decided, what is never said."""

from collections.abc import Collection
from uuid import UUID, uuid4

from msgspec.structs import replace

from switch.errors import OutcomeUnknown
from switch.ledger import Backlog
from tests.unit.router_stage import PAYER, name, order, settle, stage


async def test_whom_a_backlog_concerns_waits_at_the_head_of_the_queue() -> None:
    """The others are decided at once; the fold comes between, and a piece more each time."""
    async with stage() as made:
        refusals = [Backlog(frozenset({PAYER})), None, Backlog(frozenset({PAYER})), None]
        made.link.failure = lambda orders: refusals.pop(0)
        other = order("other")
        other = replace(other, request=replace(other.request, payer=uuid4()))
        tasks = [made.send(order("late")), made.send(other)]
        await settle()
        tasks.append(made.send(order("after it")))
        made.link.gate.set()
        assert [name(await task) for task in tasks] == ["DECIDED"] * 3
        sent = [[one.key for one in batch] for batch in made.link.batches]
        assert sent == [["late", "other"], ["other"], ["late", "after it"], ["late", "after it"]]
        assert made.link.folded == [frozenset({PAYER})] * 2


async def test_what_went_back_into_the_queue_is_not_said_to_be_undecided() -> None:
    """Put off while a batch was decided one by one, and the link broke: the next one decides it."""
    failures = [ValueError("unforeseen"), Backlog(frozenset({PAYER}))]

    async def cut(accounts: Collection[UUID]) -> None:
        made.link.close()
        raise OutcomeUnknown("cut")

    async with stage() as made:
        made.link.failure = lambda orders: failures.pop(0)
        made.link.fold = cut  # type: ignore[method-assign]
        tasks = [made.send(order(key)) for key in "ab"]
        made.link.gate.set()
        await made.reopened.wait()
        made.link.gate.set()
        assert [name(await task) for task in tasks] == ["DECIDED", "ledger-unavailable"]
