"""What a service makes for a signed message, once a key: the order of its checks, and its answers.

Key, standing, JSON and schema, then the ledger, which decides under the key. A repeat gets what the
row says was made; a barred key the bar.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import asyncpg
from msgspec import Struct

from switch.admission import Caller
from switch.errors import Problem
from switch.ledger import Disposition
from switch.message import malformed
from switch.reply import Answer, document, repeated
from switch.requests import KEY_REUSED, NOT_FOUND, accepted_key
from switch.service import Core

OVER = malformed("Expected a time that is still to come.", "not_after")
REPEAT = "The same answer to a repeat; a payment where the key is barred"

Request = TypeVar("Request", bound=Struct)


async def make(
    core: Core,
    caller: Caller,
    what: str,
    *,
    decode: Callable[[bytes], Request | Problem],
    decide: Callable[[str, Request], Awaitable[list[asyncpg.Record]]],
    render: Callable[[asyncpg.Record], Struct],
    refusals: Mapping[int, Problem],
) -> Answer | Problem:
    """Make one `what`; `decide` gets the key and the request, `refusals` go by its dispositions."""
    key = await accepted_key(core.reads, caller)
    if isinstance(key, Problem):
        return key
    request = decode(caller.body)
    if isinstance(request, Problem):
        return request
    not_after = getattr(request, "not_after", None)
    number = caller.participant.number
    if (
        not_after
        and not_after <= core.clock.now()
        and not await core.reads.key_is_claimed(number, key)
    ):
        return OVER
    (row,) = await decide(key, request)
    if row["disposition"] in refusals:
        return refusals[row["disposition"]]
    match row["disposition"]:
        case Disposition.KEY_REUSED:
            return KEY_REUSED
        case Disposition.NOT_FOUND:
            return NOT_FOUND
        case Disposition.DECIDED:
            return document(render(row), status=201)
    core.metrics.replays.add((what,))
    if row["disposition"] == Disposition.REPEATED:
        return repeated(render(row))
    return repeated(await core.reads.barred(number, key))
