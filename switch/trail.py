"""The trail of a payment in the ledger: what is kept of its messages and what became of them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from switch import limits
from switch.timeline import Timeline, entries


async def read_timeline(
    fetch: Callable[..., Awaitable[Sequence[Mapping[str, Any]]]],
    participant_no: int | None,
    payment_id: UUID,
) -> Timeline | None:
    """The timeline of a payment, by the way that `fetch` asks; all of it for no participant."""
    count = limits.TIMELINE_MESSAGES_MAX
    trail = await fetch("read_trail", participant_no, payment_id, count + 1)
    if not trail:
        return None
    shown = trail[:count]
    ids = [row["id"] for row in shown]
    told = await fetch("read_told", participant_no, ids, limits.TIMELINE_RUNS_MAX)
    whole = shown[0]["parent"] or shown[0]["id"]
    return Timeline(
        payment=str(whole),
        is_complete=len(trail) <= count,
        entries=entries(
            shown,
            told=told,
            asked=await fetch("read_asked", participant_no, ids),
            pushed=await fetch("read_pushed", participant_no, whole),
        ),
    )
