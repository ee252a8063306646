"""`switch demo` and `switch pay`: the switch seen by a newcomer and by a participant.

What they run is imported when they are called for, as in `cli_serve`.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import typer

from switch import config, limits, terminal
from switch.cli_operator import Currency, DataDir
from switch.cli_serve import AdminPort, Port, Workers
from switch.errors import Problem, SwitchError
from switch.message import Payment
from switch.terminal import AsJson, option


def demo(
    seconds: Annotated[
        float | None,
        option("--seconds", help="Traffic for this long, then the audit [keep serving].", min=0.1),
    ] = None,
    wallets: Annotated[
        int, option("--wallets", help="How many wallets the city has.", min=4, max=1_000_000)
    ] = limits.DEMO_WALLETS,
    senders: Annotated[
        int, option("--senders", help="Messages under way at a time.", min=1, max=1_000)
    ] = limits.DEMO_SENDERS,
    seed: Annotated[int | None, option("--seed", help="Repeat the traffic of a run.")] = None,
    workers: Workers = None,
    port: Port = 0,
    admin_port: AdminPort = 0,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Run a small city: real processes, signed traffic, a live table, then the audit."""
    import uvloop

    from switch.demo import DemoOptions, run_demo
    from switch.serving import until_asked_to_end

    options = DemoOptions(
        seconds=seconds,
        as_json=as_json,
        worker_count=workers or config.default_worker_count(),
        port=port,
        admin_port=admin_port,
        data_dir=data_dir,
        wallet_count=wallets,
        sender_count=senders,
        seed=seed,
    )
    right = terminal.run(until_asked_to_end(run_demo(options)), runner=uvloop.run)
    if not right:
        raise typer.Exit(terminal.EXIT_FAILED)


def pay(
    key: Annotated[Path, option("--key", help="PEM file of the participant's private key.")],
    key_id: Annotated[str, option("--keyid", help="Its id: PARTICIPANT/NAME.")],
    url: Annotated[str, option("--url", help="Where the switch is.")],
    payer: Annotated[UUID, option("--payer", help="Account that pays.")],
    payee: Annotated[UUID, option("--payee", help="Account that is paid.")],
    amount: Annotated[
        int,
        option("--amount", help="In minor units (fen).", min=1, max=limits.AMOUNT_MAX),
    ],
    currency: Currency,
    kind: Annotated[
        Literal["purchase", "transfer", "top_up", "withdrawal"],
        option("--type", help="What kind of payment."),
    ] = "purchase",
    idempotency_key: Annotated[
        str | None, option("--idempotency-key", help="The same key is decided once [a new one].")
    ] = None,
    reference: Annotated[str | None, option("--reference", help="The sender's own.")] = None,
    payee_reference: Annotated[
        str | None, option("--payee-reference", help="For the other side.")
    ] = None,
    description: Annotated[str | None, option("--description", help="What for.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send one signed payment, and check the signed answer."""
    from switch.client import Client, ClientError, ProblemError, Unreachable

    async def work() -> Payment:
        async with Client(url, key_id=key_id, key=key) as client:
            await _knock(url)
            try:
                return await client.pay(
                    type=kind,
                    payer=str(payer),
                    payee=str(payee),
                    amount=amount,
                    currency=currency,
                    idempotency_key=idempotency_key,
                    reference=reference,
                    payee_reference=payee_reference,
                    description=description,
                )
            except Unreachable as error:
                raise _not_sent(str(error)) from error
            except ProblemError as error:
                raise SwitchError(f"{error} — {_advice(error.problem)}") from error
            except ClientError as error:
                raise SwitchError(str(error)) from error

    payment = terminal.run(work())
    text = f"{payment.id} {payment.status}{f' ({payment.reason})' if payment.reason else ''}"
    terminal.show(msgspec.to_builtins(payment), as_json=as_json, text=text)
    if payment.status == "pending":
        terminal.say(
            "a bank has not decided so far: the same command with --idempotency-key"
            f" {payment.idempotency_key} tells when it has"
        )
    if payment.status == "declined":
        terminal.fail(f"the payment was declined: {payment.reason}")


# What a person can do about a signed refusal, by its HTTP status.
ADVICE = {
    401: "look at --key, --keyid and this machine's clock",
    403: "ask the operator, who can `switch participant resume` it",
    421: "give a --url with a name that `switch serve --authority` was given",
    422: "give another --idempotency-key for another payment",
}


def _advice(problem: Problem) -> str:
    """What to do about a refusal; nothing was decided."""
    if problem.status == 400 and problem.field:
        return f"correct --{problem.field.lower().replace('_', '-')}"
    return ADVICE.get(problem.status, "nothing was decided: try again in a moment")


async def _knock(url: str) -> None:
    """Tell a person at once that nobody is there; the client alone would try for a minute."""
    where = urlsplit(url)
    port = where.port or (443 if where.scheme == "https" else 80)
    try:
        async with asyncio.timeout(limits.CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(where.hostname, port)
    except (OSError, TimeoutError) as error:
        raise _not_sent(f"nobody answers at {url} ({error or 'no answer'})") from error
    writer.close()


def _not_sent(why: str) -> SwitchError:
    return SwitchError(
        f"the payment was not sent: {why}; start the switch with `switch serve`, or name another"
        " --url"
    )
