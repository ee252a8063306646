"""One run of all checks, one after the other."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Literal

from msgspec import Struct

from switch import config
from switch.clock import SYSTEM_CLOCK
from switch.conformance.bank import BankChecks
from switch.conformance.callback import CallbackChecks
from switch.conformance.interview import TrialAccount
from switch.conformance.player import Player, participant_keys
from switch.conformance.publication import Publication
from switch.conformance.report import Report, Result, tried
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
    async with AsyncExitStack() as stack:
        publication = None
        if trial.jwks_port is not None:
            publication = Publication(trial.key)
            await stack.enter_async_context(publication.served(trial.jwks_port))
        player = await stack.enter_async_context(Player(trial.url, trial.key, SYSTEM_CLOCK))
        checks = _checks(trial, player, publication)
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


def _checks(
    trial: Trial, player: Player, publication: Publication | None
) -> BankChecks | CallbackChecks:
    if trial.kind == "callback":
        return CallbackChecks(player, publication)
    config.check_bank_url(trial.url)
    keys = participant_keys(trial.public_keys)
    return BankChecks(player, keys, trial.account, publication)
