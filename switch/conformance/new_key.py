"""Whether a server meets a new key of the switch, published while it is tried.

A server that has read the keys once and never again passes everything else, and refuses whatever
comes after the switch has changed its key.
"""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

from switch import limits
from switch.clock import SYSTEM_CLOCK
from switch.conformance.publication import Publication
from switch.conformance.report import PASSED, Check, Seen, failed, skipped
from switch.keyfile import generate_seed
from switch.signature import SigningKey, signing_key

# A true request signed by a key; None: it was taken, else what it came to.
Take = Callable[[SigningKey], Awaitable[str | None]]


def new_key_check(old: SigningKey, publication: Publication | None, take: Take) -> Check:
    """The check, where keys are published; without a publication it is skipped."""

    async def run() -> Seen:
        if publication is None:
            return skipped("give --jwks-port, and let the server fetch the switch's keys there")
        return await _meets(old, publication, take)

    return Check(
        name="meets-a-new-key",
        promise="a key that the switch publishes later is believed, and the old one still",
        advice="when you meet a key id that you do not know, fetch /.well-known/jwks.json again, at"
        f" most every {limits.CLIENT_KEYS_REFETCH_S:g} s, and keep all keys of it",
        run=run,
    )


async def _meets(old: SigningKey, publication: Publication, take: Take) -> Seen:
    new = signing_key(f"switch/{uuid4()}", generate_seed())  # a name that no cache has seen
    publication.add(new)
    before_count = publication.fetched_count
    fault = await _taken_at_last(new, take)
    if fault is not None:
        times = publication.fetched_count - before_count
        return failed(
            f"{fault}, {limits.CONFORMANCE_NEW_KEY_S_MAX:g} s after a new key was published; since"
            f" then the server has fetched the keys {times} times"
        )
    fault = await take(old)
    return PASSED if fault is None else failed(f"with the key before it: {fault}")


async def _taken_at_last(key: SigningKey, take: Take) -> str | None:
    """What it came to in the end: a server may wait a little before it fetches keys again."""
    until_s = SYSTEM_CLOCK.monotonic_s() + limits.CONFORMANCE_NEW_KEY_S_MAX
    while True:
        fault = await take(key)
        if fault is None or SYSTEM_CLOCK.monotonic_s() >= until_s:
            return fault
        await asyncio.sleep(limits.CONFORMANCE_NEW_KEY_PAUSE_S)
