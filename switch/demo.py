"""`switch demo`: a fresh city on an embedded database, real processes, real signed traffic.

Founds the city, shows a live table of decisions, latency and balances while the traffic runs, then
either ends with a summary and the audit, or keeps serving and says how to make a payment by hand.
The books are checked after the last message was answered and every credit folded, and one bank's
own book is compared with the switch; the exit code is 0 only when both are right and every answer
was one that was expected.
"""

import asyncio
import random
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live
from rich.progress import TaskID

from switch import admin, demo_bank, demo_table, limits, terminal
from switch.admin import Operator
from switch.client import ClientError
from switch.config import HOST_DEFAULT
from switch.demo_city import CURRENCY, ISSUER, KEY_NAME, City, founded
from switch.demo_day import Day
from switch.demo_traffic import Figures, Traffic
from switch.errors import SwitchError, using
from switch.keeper import Home
from switch.services import SERVICES
from switch.serving import ServeOptions, Serving, serving
from switch.simulate.reconcile import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What `switch demo` was asked for."""

    seconds: float | None  # None: keep serving after the first traffic
    as_json: bool
    worker_count: int
    port: int
    admin_port: int
    data_dir: Path | None  # None: a temporary one, removed at the end
    wallet_count: int
    sender_count: int
    seed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the books said after the last message."""

    deviations: list[dict[str, Any]]
    bank: Comparison  # of the book of the bank that holds its customers' money itself

    @property
    def right(self) -> bool:
        """Whether nothing deviates, and nothing is left undecided at the bank."""
        return not (self.deviations or self.bank.differences or self.bank.waiting)


async def run_demo(options: DemoOptions) -> bool:
    """Run the city to its end; whether all was as it must be."""
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    async with AsyncExitStack() as stack:
        data_dir = stack.enter_context(_folder(options.data_dir))
        switch = await stack.enter_async_context(
            serving(_serve_options(options, data_dir), messages=data_dir / "processes.log")
        )
        assert switch.databases.operator is not None, "an embedded database has its superuser"
        operator = await stack.enter_async_context(admin.connected(switch.databases.operator))
        try:
            city = await _found(stack, operator, switch, data_dir, options)
            book = data_dir / f"{city.issuer.id}.log"
            bank_url = await stack.enter_async_context(
                demo_bank.open_bank(city.issuer, url=switch.url, book=book, seed=seed)
            )
            await operator.set_participant(city.issuer.id, bank_url=bank_url)
        except ClientError as error:
            raise SwitchError(f"the city could not be founded: {error}") from error
        day = Day(cast=city.cast, seed=seed, services=frozenset(one.name for one in SERVICES))
        figures = await _let_it_live(city, day, options, seed)
        summary = _summary(figures, switch, city, seed) | _told(day)
        if options.seconds is None:
            pay = pay_command(switch.url, city)
            _invite(summary | {"pay": pay}, as_json=options.as_json)
            await _until_asked_to_end()
        bank = await demo_bank.compared(city.issuer, book)
        await switch.supervisor.drain()
        audit = await _audit(operator, bank)
    _conclude(summary, audit, figures, options)
    return audit.right and not figures.surprises


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """The given data directory, which stays, or a temporary one."""
    if given is not None:
        with using(given):
            is_made = Home(data_dir=given).cluster.is_dir()
        if is_made:
            raise SwitchError(f"{given} holds a database already: name a new folder for the city")
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="switch-demo-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def _serve_options(options: DemoOptions, data_dir: Path) -> ServeOptions:
    return ServeOptions(
        host=HOST_DEFAULT,
        port=options.port,
        admin_host=HOST_DEFAULT,
        admin_port=options.admin_port,
        worker_count=options.worker_count,
        authorities=(),
        data_dir=data_dir,
        key_dir=data_dir / "keys",
        database_url=None,
        jobs_database_url=None,
        admin_database_url=None,
        tls_cert=None,
        tls_key=None,
        callback_allow=(HOST_DEFAULT,),  # where the city's own bank is
    )


async def _found(
    stack: AsyncExitStack,
    operator: Operator,
    switch: Serving,
    data_dir: Path,
    options: DemoOptions,
) -> City:
    key_dir = data_dir / "participants"
    with using(data_dir):
        key_dir.mkdir(mode=0o700)
    with terminal.progress() as bars:
        tasks: dict[str, TaskID] = {}

        def step(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        return await stack.enter_async_context(
            founded(
                operator,
                url=switch.url,
                key_dir=key_dir,
                wallet_count=options.wallet_count,
                step=step,
            )
        )


async def _let_it_live(city: City, day: Day, options: DemoOptions, seed: int) -> Figures:
    """Traffic and the day for the time asked for, or until a signal; the picture beside them."""
    figures = Figures()
    traffic = Traffic(city, figures, seed=seed)
    seconds = options.seconds or limits.DEMO_TRAFFIC_S
    running = asyncio.create_task(traffic.run(options.sender_count))
    living = asyncio.create_task(day.run(seconds))
    watching = asyncio.create_task(_watch(city, figures, day, quiet=options.as_json))
    try:
        if not await _wait(running, seconds):
            living.cancel()
    finally:
        traffic.stop()
        await running
        await asyncio.wait([living])
        figures.surprises += day.surprises
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return figures


async def _wait(running: asyncio.Task[None], seconds: float) -> bool:
    """The given time, or less when it fails; False when a signal asks for the end."""
    try:
        await asyncio.wait([running], timeout=seconds)
    except asyncio.CancelledError:
        _go_on_to_the_end()
        return False
    return True


async def _until_asked_to_end() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        _go_on_to_the_end()


def _go_on_to_the_end() -> None:
    """A signal cancels this task once; from here on it finishes what is left, and audits."""
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()


async def _watch(city: City, figures: Figures, day: Day, *, quiet: bool) -> None:
    """The live table, until cancelled."""
    console = Console()
    if quiet or not console.is_terminal:
        await asyncio.Event().wait()
    balances: dict[str, int] = {}
    with Live(console=console, auto_refresh=False) as live:
        while True:
            balances |= await _balances(city)
            for _ in range(limits.DEMO_LOOKS_PER_BALANCE):
                live.update(demo_table.live(figures, balances, day), refresh=True)
                await asyncio.sleep(limits.DEMO_LOOK_S)


async def _balances(city: City) -> dict[str, int]:
    """What banks and shops have now, asked for as they would."""
    members = (*city.banks, city.issuer, *city.shops)
    accounts = await asyncio.gather(
        *(member.client.account(member.accounts[0]) for member in members),
        return_exceptions=True,
    )
    return {
        member.id: account.balance
        for member, account in zip(members, accounts, strict=True)
        if not isinstance(account, BaseException)
    }


async def _audit(operator: Operator, bank: Comparison) -> Audit:
    """Fold what the jobs have left, then check the books."""
    while (await operator.fold_credits()) > 0:
        pass
    return Audit(deviations=await operator.check_books(), bank=bank)


def _summary(figures: Figures, switch: Serving, city: City, seed: int) -> dict[str, Any]:
    return {
        "url": switch.url,
        "admin_url": switch.admin_url,
        "workers": sum(child.name.startswith("worker-") for child in switch.supervisor.children),
        "wallets": sum(len(provider.accounts) for provider in city.providers),
        "seed": seed,
        "seconds": round(figures.elapsed_s, 3),
        "decisions": figures.decision_count,
        "decisions_per_s": round(figures.per_second, 1),
        "outcomes": dict(figures.outcomes.most_common()),
        "repeats": figures.repeats,
        "unanswered": figures.unanswered,
        "surprises": figures.surprises,
        "latency_ms": {
            f"p{share * 100:g}": round(figures.latency_ms(share), 3) for share in (0.5, 0.95, 0.99)
        },
    }


def _told(day: Day) -> dict[str, Any]:
    return {
        "day": [
            {"hour": one.hour, "scene": one.name, "status": one.status, "told": one.told}
            for one in day.scenes
        ],
        "balances_by_purpose": day.purposes,
    }


def pay_command(url: str, city: City) -> str:
    """A payment by hand, ready to paste: the first wallet buys tea."""
    provider, shop = city.providers[0], city.shops[0]
    options = {
        "key": str(provider.key_file),
        "keyid": f"{provider.id}/{KEY_NAME}",
        "url": url,
        "payer": provider.accounts[0],
        "payee": shop.accounts[0],
        "amount": "1250",
        "currency": CURRENCY,
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return f"{terminal.program()} pay {shlex.join(arguments)}"


def _invite(summary: dict[str, Any], *, as_json: bool) -> None:
    """What a person can do while it keeps serving."""
    text = (
        f"{demo_table.told(summary)}\n{_figures_line(summary)}\n\n"
        f"The city keeps serving on {summary['url']} (documentation: {summary['url']}/docs,"
        f" metrics: {summary['admin_url']}/metrics).\n"
        f"A first payment by hand:\n\n  {summary['pay']}\n\nCtrl-C ends it."
    )
    terminal.show(summary, as_json=as_json, text=text)


def _conclude(
    summary: dict[str, Any], audit: Audit, figures: Figures, options: DemoOptions
) -> None:
    """The closing lines; with `--seconds` they are the command's result."""
    books = _books_line(audit)
    if options.seconds is not None:
        document = summary | {
            "books": {"right": audit.right, "deviations": audit.deviations},
            "bank_book": msgspec.to_builtins(audit.bank),
        }
        text = f"{demo_table.told(summary)}\n{_figures_line(summary)}\n{books}"
        terminal.show(document, as_json=options.as_json, text=text)
    else:
        terminal.say(books)
    for surprise in figures.surprises:
        terminal.say(f"not expected: {surprise}")


def _books_line(audit: Audit) -> str:
    bank = audit.bank
    if audit.right:
        return (
            f"the books are right, and {ISSUER} has the same {bank.compared:,} payments in its own"
        )
    differences = msgspec.to_builtins(bank.differences)
    return f"wrong: {audit.deviations}; at {ISSUER}: {differences}, {bank.waiting:,} undecided"


def _figures_line(summary: dict[str, Any]) -> str:
    latency = summary["latency_ms"]
    return (
        f"{summary['decisions']:,} payments decided in {summary['seconds']:.1f} s"
        f" ({summary['decisions_per_s']:,.0f}/s, half within {latency['p50']:.1f} ms,"
        f" 99 % within {latency['p99']:.1f} ms), {summary['repeats']:,} sent twice"
        f" and answered the same"
    )
