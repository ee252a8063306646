"""Running a simulation: it says where it is once it is ready, then how it goes, until it is ended.

A person sees one line that changes; a program gets one JSON document when it is ready, and reads
`GET /figures` whenever it likes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live

from switch import keyfile, limits, terminal
from switch.client import Client, ClientError
from switch.clock import SYSTEM_CLOCK
from switch.errors import SwitchError
from switch.signature import signing_key
from switch.simulate.bank import Bank
from switch.simulate.inbox import Inbox
from switch.simulate.journal import Journal
from switch.simulate.knobs import BankKnobs, Dice, Knobs
from switch.simulate.merchant import Manners, Merchant
from switch.simulate.server import Place, Room, Server
from switch.simulate.setting import Setting
from switch.simulate.wallet import Habits, Wallet


async def run_bank(setting: Setting, knobs: BankKnobs, balance: int | None) -> None:
    """A bank, until cancelled."""
    dice = Dice(setting.seed)
    journal = Journal.open(setting.log)
    bank = Bank(journal, knobs=knobs, dice=dice, balance=balance, clock=SYSTEM_CLOCK)
    try:
        await _serve(setting, bank, dice, {"kind": "bank"})
    finally:
        journal.close()


async def run_wallet(setting: Setting, knobs: Knobs, url: str, habits: Habits) -> None:
    """A wallet provider, until cancelled."""
    dice = Dice(setting.seed)
    async with _client(setting, url) as client:
        wallet = Wallet(client, habits, dice)
        await _opened(wallet.open_accounts())
        journal = Journal.open(setting.log)
        inbox = Inbox(
            journal,
            knobs=knobs,
            clock=SYSTEM_CLOCK,
            hand_on=lambda line: None,
            figures=wallet.sender.figures,
        )
        ready = {"kind": "wallet", "accounts": list(wallet.accounts)}
        await _serve(setting, inbox, dice, ready, wallet.run)
        journal.close()


async def run_merchant(setting: Setting, knobs: Knobs, url: str, manners: Manners) -> None:
    """A merchant, until cancelled."""
    dice = Dice(setting.seed)
    async with _client(setting, url) as client:
        merchant = Merchant(client, manners)
        await _opened(merchant.open_account())
        journal = Journal.open(setting.log)
        inbox = Inbox(
            journal,
            knobs=knobs,
            clock=SYSTEM_CLOCK,
            hand_on=merchant.hand_on,
            figures=merchant.sender.figures,
        )
        ready = {"kind": "merchant", "accounts": [merchant.account]}
        await _serve(setting, inbox, dice, ready, merchant.run)
        journal.close()


def _client(setting: Setting, url: str) -> Client:
    return Client(url, key_id=setting.key_id, key=setting.key_file)


async def _opened(opening: Awaitable[None]) -> None:
    try:
        await opening
    except ClientError as error:
        raise SwitchError(f"no account could be opened: {error}") from error


async def _serve(
    setting: Setting,
    room: Room,
    dice: Dice,
    ready: Mapping[str, Any],
    work: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve and work until cancelled; then tell what it came to."""
    place = Place(
        host=setting.host,
        port=setting.port,
        authorities=setting.authorities,
        jwks=setting.jwks,
        key=signing_key(setting.key_id, keyfile.read_private_key(setting.key_file)),
    )
    server = Server(room, place, dice, SYSTEM_CLOCK)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(server.running())
        if setting.as_json:
            terminal.show({"url": url, **ready}, as_json=True, text="")
        else:
            accounts = "".join(f", account {one}" for one in ready.get("accounts", ())[:1])
            terminal.say(f"ready on {url}{accounts}")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_watch(server, quiet=setting.as_json))
                if work is not None:
                    tasks.create_task(_as_task(work))
        finally:
            terminal.say(_told(server))


async def _as_task(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _watch(server: Server, *, quiet: bool) -> None:
    """The line that changes, for whoever watches."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        await asyncio.Event().wait()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_told(server), refresh=True)
            await asyncio.sleep(limits.SIMULATED_LOOK_S)


def _told(server: Server) -> str:
    """The figures in one line."""
    return msgspec.json.encode(server.figures()).decode()
