"""The bank of the demo city that holds its customers' money itself: its server, and its book.

The server is that of `switch simulate bank`, in the demo's own process: it ends with the demo,
however that ends. Its book is a file, compared with the switch when the traffic is over.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from switch import keyfile, limits
from switch.client import ClientError
from switch.clock import SYSTEM_CLOCK
from switch.config import HOST_DEFAULT
from switch.demo_city import KEY_NAME, Member
from switch.errors import SwitchError
from switch.signature import signing_key
from switch.simulate.bank import Bank
from switch.simulate.journal import Journal, read_lines
from switch.simulate.knobs import BankKnobs, Dice
from switch.simulate.positions import add_up
from switch.simulate.reconcile import Comparison, reconcile
from switch.simulate.server import Place, Server

KNOBS = BankKnobs(latency_ms=10, jitter_ms=20, decline=0.1)


@asynccontextmanager
async def open_bank(issuer: Member, *, url: str, book: Path, seed: int) -> AsyncIterator[str]:
    """The issuer's server while the block lasts; its URL. The switch is at `url`."""
    key = signing_key(f"{issuer.id}/{KEY_NAME}", keyfile.read_private_key(issuer.key_file))
    place = Place(
        host=HOST_DEFAULT, port=0, authorities=(), jwks=f"{url}/.well-known/jwks.json", key=key
    )
    dice = Dice(seed)
    journal = Journal.open(book)
    try:
        bank = Bank(journal, knobs=KNOBS, dice=dice, balance=None, clock=SYSTEM_CLOCK)
        async with Server(bank, place, dice, SYSTEM_CLOCK).running() as bank_url:
            yield bank_url
    finally:
        journal.close()


async def compared(issuer: Member, book: Path) -> Comparison:
    """The book against the switch, once nothing waits for the bank or the time for that is over."""
    give_up_at_s = SYSTEM_CLOCK.monotonic_s() + limits.DEMO_SETTLE_S_MAX
    while True:
        try:
            positions = add_up(read_lines(book))
            found = await reconcile(issuer.client, positions, SYSTEM_CLOCK.now())
        except ClientError as error:
            raise SwitchError(f"the bank's book could not be compared: {error}") from error
        settled = not found.waiting and not found.differences
        if settled or SYSTEM_CLOCK.monotonic_s() > give_up_at_s:
            return found
        await asyncio.sleep(limits.DEMO_LOOK_S)
