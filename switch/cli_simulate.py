"""`switch simulate bank|wallet|merchant`: participants' own servers to try the switch with.

What they run is imported when they are called for, as in `cli_serve`.
"""

from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from switch import config, limits, terminal
from switch.cli_operator import Currency
from switch.cli_serve import Host
from switch.clock import SYSTEM_CLOCK
from switch.errors import SwitchError
from switch.simulate.knobs import BankKnobs, Knobs
from switch.simulate.setting import Setting
from switch.terminal import AsJson, option

simulate_app = typer.Typer(help="Participants' own servers, simulated: slow, silent or lying.")

Port = Annotated[
    int, option("--port", help="Port to listen on; 0 picks a free one.", min=0, max=65535)
]
KeyFile = Annotated[Path, option("--key", help="PEM file of the participant's private key.")]
KeyId = Annotated[str, option("--keyid", help="Its id: PARTICIPANT/NAME.")]
Authorities = Annotated[
    list[str] | None,
    option("--authority", help="HOST[:PORT] that the switch calls it by; repeatable."),
]
Jwks = Annotated[str, option("--jwks", help="The switch's published keys: a file or a URL.")]
OwnJwks = Annotated[
    str | None, option("--jwks", help="The switch's published keys: a file or a URL [the --url's].")
]
Log = Annotated[
    Path | None, option("--log", help="Its book: appended to, and read again at the next start.")
]
Seed = Annotated[int | None, option("--seed", help="Repeat the chances of a run.")]
Latency = Annotated[
    int, option("--latency-ms", help="Before it does anything.", min=0,
                max=limits.SIMULATED_LATENCY_MS_MAX),
]  # fmt: skip
Jitter = Annotated[
    int, option("--jitter-ms", help="Up to so much more.", min=0,
                max=limits.SIMULATED_LATENCY_MS_MAX),
]  # fmt: skip


def _rate(name: str, what: str) -> Any:
    return option(name, help=f"{what}, 0 to 1.", min=0.0, max=1.0)


Refuse = Annotated[float, _rate("--refuse", "Share answered 503, nothing done")]
Hang = Annotated[float, _rate("--hang", "Share that is never answered")]
Drop = Annotated[float, _rate("--drop", "Share whose connection is closed without an answer")]
ActsFirst = Annotated[float, _rate("--acts-first", "Share of these that is done all the same")]
Twice = Annotated[float, _rate("--twice", "Share that is handled again after its answer")]
Url = Annotated[str, option("--url", help="Where the switch is.")]
PerSecond = Annotated[
    float,
    option("--rate", help="Messages a second.", min=0.01, max=limits.SIMULATED_RATE_MAX),
]


@simulate_app.command("bank")
def simulate_bank(
    jwks: Jwks,
    key: KeyFile,
    key_id: KeyId,
    host: Host = config.HOST_DEFAULT,
    port: Port = 0,
    authority: Authorities = None,
    log: Log = None,
    balance: Annotated[
        int | None, option("--balance", help="Of each account at first [no bound].", min=0)
    ] = None,
    decline: Annotated[float, _rate("--decline", "Share of authorizations declined")] = 0.0,
    refuse_credits: Annotated[
        float, _rate("--refuse-credits", "Share of credits refused for good")
    ] = 0.0,
    lie: Annotated[
        Literal["signature", "amount"] | None,
        option("--lie", help="Sign with another key, or answer about another amount."),
    ] = None,
    lie_rate: Annotated[float, _rate("--lie-rate", "Share of answers that lie")] = 1.0,
    latency_ms: Latency = 0,
    jitter_ms: Jitter = 0,
    refuse: Refuse = 0.0,
    hang: Hang = 0.0,
    drop: Drop = 0.0,
    acts_first: ActsFirst = 0.5,
    twice: Twice = 0.0,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """A bank that holds the money itself, and is told events at /events."""
    from switch.simulate.running import run_bank

    knobs = BankKnobs(
        latency_ms=latency_ms,
        jitter_ms=jitter_ms,
        refuse=refuse,
        hang=hang,
        drop=drop,
        acts_first=acts_first,
        twice=twice,
        decline=decline,
        refuse_credits=refuse_credits,
        lie=lie,
        lie_rate=lie_rate,
    )
    setting = Setting(
        host=host,
        port=port,
        authorities=tuple(authority or ()),
        jwks=jwks,
        key_file=key,
        key_id=key_id,
        log=log,
        seed=seed,
        as_json=as_json,
    )
    _run(run_bank(setting, knobs, balance))


@simulate_app.command("wallet")
def simulate_wallet(
    url: Url,
    key: KeyFile,
    key_id: KeyId,
    currency: Currency,
    wallets: Annotated[
        int,
        option("--wallets", help="How many it opens.", min=2, max=limits.SIMULATED_WALLETS_MAX),
    ] = limits.SIMULATED_WALLETS,
    payee: Annotated[
        list[str] | None, option("--payee", help="Account that it pays; repeatable.")
    ] = None,
    hold: Annotated[float, _rate("--hold", "Share of purchases that only hold the money")] = 0.5,
    rate: PerSecond = limits.SIMULATED_RATE,
    host: Host = config.HOST_DEFAULT,
    port: Port = 0,
    authority: Authorities = None,
    jwks: OwnJwks = None,
    log: Log = None,
    latency_ms: Latency = 0,
    jitter_ms: Jitter = 0,
    refuse: Refuse = 0.0,
    hang: Hang = 0.0,
    drop: Drop = 0.0,
    acts_first: ActsFirst = 0.5,
    twice: Twice = 0.0,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """A wallet provider: opens wallets, pays, and is told events at /events."""
    from switch.simulate.running import run_wallet
    from switch.simulate.wallet import Habits

    habits = Habits(
        wallet_count=wallets,
        currency=currency,
        payees=tuple(payee or ()),
        hold_share=hold,
        per_second=rate,
    )
    knobs = Knobs(
        latency_ms=latency_ms,
        jitter_ms=jitter_ms,
        refuse=refuse,
        hang=hang,
        drop=drop,
        acts_first=acts_first,
        twice=twice,
    )
    setting = Setting(
        host=host,
        port=port,
        authorities=tuple(authority or ()),
        jwks=jwks or _published_at(url),
        key_file=key,
        key_id=key_id,
        log=log,
        seed=seed,
        as_json=as_json,
    )
    _run(run_wallet(setting, knobs, url, habits))


@simulate_app.command("merchant")
def simulate_merchant(
    url: Url,
    key: KeyFile,
    key_id: KeyId,
    currency: Currency,
    void: Annotated[float, _rate("--void", "Share of holds released, not captured")] = 0.1,
    refund: Annotated[float, _rate("--refund", "Share of payments paid back")] = 0.1,
    rate: PerSecond = limits.SIMULATED_RATE,
    host: Host = config.HOST_DEFAULT,
    port: Port = 0,
    authority: Authorities = None,
    jwks: OwnJwks = None,
    log: Log = None,
    latency_ms: Latency = 0,
    jitter_ms: Jitter = 0,
    refuse: Refuse = 0.0,
    hang: Hang = 0.0,
    drop: Drop = 0.0,
    acts_first: ActsFirst = 0.5,
    twice: Twice = 0.0,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """A merchant: captures what is held for it and refunds some, as events at /events tell it."""
    from switch.simulate.merchant import Manners
    from switch.simulate.running import run_merchant

    manners = Manners(currency=currency, void_share=void, refund_share=refund, per_second=rate)
    knobs = Knobs(
        latency_ms=latency_ms,
        jitter_ms=jitter_ms,
        refuse=refuse,
        hang=hang,
        drop=drop,
        acts_first=acts_first,
        twice=twice,
    )
    setting = Setting(
        host=host,
        port=port,
        authorities=tuple(authority or ()),
        jwks=jwks or _published_at(url),
        key_file=key,
        key_id=key_id,
        log=log,
        seed=seed,
        as_json=as_json,
    )
    _run(run_merchant(setting, knobs, url, manners))


@simulate_app.command("reconcile")
def simulate_reconcile(
    log: Annotated[Path, option("--log", help="The book of a simulated bank.")],
    url: Url,
    key: KeyFile,
    key_id: KeyId,
    as_json: AsJson = False,
) -> None:
    """Compare a bank's book with what the switch says of each payment of its accounts."""
    from switch.client import Client, ClientError
    from switch.simulate.journal import read_lines
    from switch.simulate.positions import add_up
    from switch.simulate.reconcile import Comparison, reconcile

    async def work() -> Comparison:
        async with Client(url, key_id=key_id, key=key) as client:
            try:
                return await reconcile(client, add_up(read_lines(log)), SYSTEM_CLOCK.now())
            except ClientError as error:
                raise SwitchError(f"the switch could not be asked: {error}") from error

    found = terminal.run(work())
    columns = ("payment", "account", "what", "at_bank", "at_switch")
    text = terminal.table([msgspec.to_builtins(one) for one in found.differences], columns=columns)
    if not found.differences:
        text = f"{found.compared} payments agree, {found.waiting} wait to be decided"
    terminal.show(msgspec.to_builtins(found), as_json=as_json, text=text)
    if found.differences:
        terminal.fail(f"the book and the switch differ in {len(found.differences)} amounts")


def _run(work: Coroutine[Any, Any, None]) -> None:
    import uvloop

    from switch.serving import until_asked_to_end

    terminal.run(until_asked_to_end(work), runner=uvloop.run)


def _published_at(url: str) -> str:
    return f"{url.rstrip('/')}/.well-known/jwks.json"
