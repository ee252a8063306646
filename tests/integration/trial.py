"""Participants' servers in this process, to be made faulty and tried with `switch conformance`."""

from switch.clock import SYSTEM_CLOCK
from switch.conformance.interview import TrialAccount
from switch.conformance.report import Result
from switch.conformance.running import Trial, run_trial
from switch.simulate.bank import Bank
from switch.simulate.inbox import Inbox
from switch.simulate.journal import Journal
from switch.simulate.knobs import BankKnobs, Dice, Knobs
from switch.simulate.server import Place, Room, Server
from tests.integration.simulated import Participant

ACCOUNT = TrialAccount(
    id="0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01", reference=None, currency="CNY", amount=100
)


async def failing(
    who: Participant, kind: str, room: Room, *, jwks_port: int | None = None
) -> set[str]:
    """The checks that a room fails, served in this process."""
    results = await tried(who, kind, room, jwks_port=jwks_port)
    return {one.check for one in results if one.result == "failed"}


async def tried(
    who: Participant, kind: str, room: Room, *, jwks_port: int | None = None
) -> list[Result]:
    """All results; with a port the room fetches the keys there."""
    jwks = who.jwks if jwks_port is None else f"http://127.0.0.1:{jwks_port}/.well-known/jwks.json"
    place = Place(host="127.0.0.1", port=0, authorities=(), jwks=str(jwks), key=who.key)
    server = Server(room, place, Dice(1), SYSTEM_CLOCK)
    results: list[Result] = []
    async with server.running() as url:
        trial = Trial(
            url=url if kind == "bank" else f"{url}/events",
            kind="bank" if kind == "bank" else "callback",
            key=who.switch_key,
            public_keys={one.key_id: one.public_key for one in who.public_keys.values()},
            account=ACCOUNT,
            jwks_port=jwks_port,
        )
        await run_trial(trial, results.append)
    return results


class ABank(Bank):
    """A bank without a log, to be made faulty."""

    def __init__(self) -> None:
        super().__init__(
            Journal.open(None), knobs=BankKnobs(), dice=Dice(1), balance=None, clock=SYSTEM_CLOCK
        )


def nothing(*_: object, **__: object) -> None:
    """No objection."""


def an_inbox(kind: type[Inbox] = Inbox) -> Inbox:
    """A callback without a log, to be made faulty."""
    return kind(
        Journal.open(None),
        knobs=Knobs(),
        clock=SYSTEM_CLOCK,
        hand_on=nothing,
        figures=dict,
    )
