"""One run of all checks, one after the other; and the switch's keys, for those who fetch them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal

from aiohttp import web
from msgspec import Struct

from switch.clock import SYSTEM_CLOCK
from switch.config import HOST_DEFAULT
from switch.conformance.bank import BankChecks, TrialAccount
from switch.conformance.callback import CallbackChecks
from switch.conformance.player import Player, participant_keys
from switch.conformance.report import Report, Result, tried
from switch.errors import SwitchError
from switch.keyfile import SEED_BYTES, PublicKey, jwks_document
from switch.signature import SigningKey

Kind = Literal["bank", "callback"]


class Trial(Struct, frozen=True, kw_only=True):
    """What is tried, and as whom."""

    url: str
    kind: Kind
    key: SigningKey  # the switch's that is played
    public_keys: Mapping[str, bytes]  # the participant's, by their ids
    account: TrialAccount
    jwks_port: int | None  # None: the participant knows the key already


async def run_trial(trial: Trial, told: Callable[[Result], None]) -> Report:
    """Try everything; `told` is called as each check ends."""
    results: list[Result] = []
    async with _published(trial), Player(trial.url, trial.key, SYSTEM_CLOCK) as player:
        if trial.kind == "bank":
            keys = participant_keys(trial.public_keys)
            checks: BankChecks | CallbackChecks = BankChecks(player, keys, trial.account)
        else:
            checks = CallbackChecks(player)
        results.append(await tried(checks.first()))
        told(results[0])
        for check in checks.rest():
            if results[0].result == "passed":
                result = await tried(check)
            else:
                result = Result(
                    check=check.name,
                    promise=check.promise,
                    result="skipped",
                    seen=f"{results[0].check} must pass first",
                    advice="",
                )
            results.append(result)
            told(result)
    return Report(url=trial.url, kind=trial.kind, results=tuple(results))


def published(key: SigningKey) -> bytes:
    """The JWK set of the switch that is played, to be registered at the participant's server."""
    return jwks_document([PublicKey(key_id=key.key_id, public_key=key.secret[SEED_BYTES:])])


@asynccontextmanager
async def _published(trial: Trial) -> AsyncIterator[None]:
    """Serve the JWK set while the block lasts, if it is asked for."""
    if trial.jwks_port is None:
        yield
        return
    document = published(trial.key)

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/jwk-set+json")

    application = web.Application()
    application.router.add_get("/.well-known/jwks.json", show)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST_DEFAULT, trial.jwks_port).start()
        except OSError as error:
            raise SwitchError(f"--jwks-port: cannot listen on it ({error.strerror})") from None
        yield
    finally:
        await runner.cleanup()
