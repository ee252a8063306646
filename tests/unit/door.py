"""Admission with everything around it, for one participant with one key, by a clock in the hand."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from prometheus_client import CollectorRegistry

from switch import keyfile, limits
from switch.admission import Admission, Caller, Request
from switch.budget import FailureBudget, InFlight
from switch.clock import Clock
from switch.errors import Problem
from switch.keyfile import PublicKey
from switch.metrics import WorkerMetrics
from switch.participants import Key, Participant, Participants
from switch.reply import Answer, document
from switch.shares import Shares
from switch.signature import SigningKey, signing_key
from switch.turns import Turns
from tests.unit.signed_message import AUTHORITY, CREATED, KEY_ID, NOW_US, PUBLIC_KEY, Message

SWITCH_SEED = bytes(range(32, 64))
SWITCH_KEY = PublicKey(key_id="switch/2026-11", public_key=keyfile.public_key(SWITCH_SEED))
SENDER = Participant(number=1, id="bank-of-qingdao", kind="bank", is_suspended=False)


class HandClock(Clock):
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now_us(self) -> int:
        """The time of the signed message, and what has passed since."""
        return NOW_US + int(self.passed_s * 1e6)

    def monotonic_s(self) -> float:
        """What has passed."""
        return self.passed_s


class Keys:
    """One key, valid for five seconds, and whether it may be believed; one to sign answers with."""

    def __init__(self) -> None:
        self.is_trusted = True
        self.known = Key(
            id=KEY_ID,
            number=7,
            public_key=PUBLIC_KEY,
            not_before_us=0,
            not_after_us=NOW_US + 5_000_000,
            participant=SENDER,
        )

    def own_key(self) -> SigningKey:
        """What answers are signed with."""
        return signing_key(SWITCH_KEY.key_id, SWITCH_SEED)

    def is_known(self, key_id: str) -> bool:
        """Whether it is that key."""
        return key_id == KEY_ID

    def key(self, key_id: str) -> Key | None:
        """That key."""
        return self.known if key_id == KEY_ID else None


class Door:
    """Admission with everything around it."""

    def __init__(self, payments: Shares | None = None) -> None:
        self.clock = HandClock()
        self.keys = Keys()
        self.uses: list[tuple[str, int]] = []
        self.registry = CollectorRegistry()
        self.metrics = WorkerMetrics(self.registry)
        self.admission = Admission(
            participants=cast(Participants, self.keys),
            budget=FailureBudget(self.clock),
            note_key_use=lambda key, now_us: self.uses.append((key.id, now_us)),
            in_flight=InFlight(total_max=10, each_max=10),
            payments=payments or Shares(total_max=10, each_max=10, clock=self.clock),
            turns=Turns(lambda: False),
            authorities=frozenset({AUTHORITY}),
            scheme="http",
            reads_per_s=limits.READS_PER_S,
            signature_age_s_max=limits.SIGNATURE_AGE_S_MAX,
            signature_ahead_s_max=limits.SIGNATURE_AHEAD_S_MAX,
            clock=self.clock,
            metrics=self.metrics,
        )

    def ask(
        self,
        message: Message,
        *,
        meanwhile: Callable[[], Any] = int,
        headers: Any = None,
        by_two: bool = False,
    ) -> Caller | Problem:
        """Send the message; `meanwhile` happens while its body is on its way."""
        request = self.request(message, meanwhile=meanwhile, headers=headers)
        return asyncio.run(self.admission.admit(request, by_two=by_two))

    def ask_large(
        self,
        message: Message,
        *,
        in_flight: InFlight,
        meanwhile: Callable[[], Any] = int,
        headers: Any = None,
        body: bytes | None = None,
    ) -> tuple[Answer, Request]:
        """Send the message to an endpoint of large bodies, perhaps with another body."""

        async def handle(caller: Caller) -> Answer:
            return document({"from": caller.participant.id, "bytes": len(caller.body)})

        request = self.request(message, meanwhile=meanwhile, headers=headers, body=body)
        serve = self.admission.signed_large(handle, body_bytes_max=100, in_flight=in_flight)
        return asyncio.run(serve(request)), request

    def request(
        self,
        message: Message,
        *,
        meanwhile: Callable[[], Any] = int,
        headers: Any = None,
        body: bytes | None = None,
        body_bytes: int | None = None,
    ) -> Request:
        """The message as it stands on the wire."""

        async def read_body(bytes_max: int) -> bytes | Problem:
            meanwhile()
            return message.body if body is None else body

        return Request(
            method=message.method,
            authority=message.authority,
            path=message.path,
            query=message.query,
            headers=message.headers() if headers is None else headers,
            peer="10.0.0.1",
            has_body=bool(message.body),
            body_bytes=len(message.body) if body_bytes is None else body_bytes,
            read_body=read_body,
        )

    def introduce(self) -> Caller | Problem:
        """A message signed by the known key and by a new one of the same participant."""
        message = Message(path="/v1/keys")
        parameters = f';created={CREATED};keyid="{SENDER.id}/new"'
        second = message.but(label="new", parameters=parameters).headers()
        headers = message.headers()
        for name in ("Signature-Input", "Signature"):
            headers.add(name, second[name])
        return self.ask(message, headers=headers, by_two=True)
