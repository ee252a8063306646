"""Admission by a clock in the test's hand: what held for the headers must hold for the body."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from switch import admission, keyfile, limits
from switch.admission import Admission, Caller, Request
from switch.budget import FailureBudget, InFlight
from switch.clock import Clock
from switch.errors import Problem
from switch.metrics import WorkerMetrics
from switch.participants import Key, Participant, Participants
from switch.reply import Answer, document
from switch.signature import Candidate, SigningKey, signing_key
from tests.unit.signed_message import AUTHORITY, CREATED, KEY_ID, NOW_US, PUBLIC_KEY, Message

ANOTHER = keyfile.public_key(bytes(reversed(range(32))))
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
    """One key, valid for five seconds, and whether it may be believed."""

    def __init__(self) -> None:
        self.is_trusted = True
        self.known = Key(
            id=KEY_ID,
            public_key=PUBLIC_KEY,
            not_before_us=0,
            not_after_us=NOW_US + 5_000_000,
            participant=SENDER,
        )

    @property
    def signing_key(self) -> SigningKey:
        """Of the switch."""
        return signing_key("switch/one", bytes(32))

    def is_known(self, key_id: str) -> bool:
        """Whether it is that key."""
        return key_id == KEY_ID

    def key(self, key_id: str) -> Key | None:
        """That key."""
        return self.known if key_id == KEY_ID else None


class Door:
    """Admission with everything around it."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.keys = Keys()
        self.uses: list[tuple[str, int]] = []
        self.admission = Admission(
            participants=cast(Participants, self.keys),
            budget=FailureBudget(self.clock),
            note_key_use=lambda key, now_us: self.uses.append((key.id, now_us)),
            in_flight=InFlight(total_max=10, each_max=10),
            authorities=frozenset({AUTHORITY}),
            scheme="http",
            reads_per_s=limits.READS_PER_S,
            signature_age_s_max=limits.SIGNATURE_AGE_S_MAX,
            signature_ahead_s_max=limits.SIGNATURE_AHEAD_S_MAX,
            clock=self.clock,
            metrics=WorkerMetrics(CollectorRegistry()),
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
        meanwhile: Callable[[], Any],
        headers: Any,
        body: bytes | None = None,
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
            body_bytes=len(message.body),
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


def test_a_good_message_is_admitted() -> None:
    """By whom it is signed is who sent it."""
    caller = Door().ask(Message())
    assert isinstance(caller, Caller)
    assert caller.participant is SENDER


@pytest.mark.parametrize(("body_s", "name"), [(4.9, None), (5.0, "key-not-valid")])
def test_a_slow_body_does_not_outlive_its_key(body_s: float, name: str | None) -> None:
    """A key that ends while the body is on its way signs nothing that ends with it."""
    door = Door()

    def meanwhile() -> None:
        door.clock.passed_s += body_s

    answer = door.ask(Message(), meanwhile=meanwhile)
    assert (answer.name if isinstance(answer, Problem) else None) == name


def test_a_slow_body_does_not_outlive_the_trust_in_the_keys() -> None:
    """Keys that could no longer be confirmed when the body had come are not decided by."""
    door = Door()

    def meanwhile() -> None:
        door.keys.is_trusted = False

    answer = door.ask(Message(), meanwhile=meanwhile)
    assert isinstance(answer, Problem)
    assert answer.name == "ledger-unavailable"


def test_forged_signatures_of_a_key_do_not_silence_its_owner() -> None:
    """After more forgeries from its address than the pair may take, a good one is admitted."""
    door = Door()
    forged = Message().headers()
    forged["Idempotency-Key"] = "another"
    for _ in range(2 * limits.FAILED_SIGNATURES_BURST):
        answer = door.ask(Message(), headers=forged)
        assert isinstance(answer, Problem)
    assert isinstance(door.ask(Message()), Caller)


def test_more_forgeries_than_can_be_verified_are_turned_away_unread() -> None:
    """What exceeds both budgets costs neither a body nor a verification."""
    door = Door()
    forged = Message().headers()
    forged["Idempotency-Key"] = "another"
    bodies: list[int] = []
    bound = int(limits.FAILED_SIGNATURES_BURST + limits.SPARE_VERIFICATIONS_BURST)
    for _ in range(bound + 50):
        answer = door.ask(Message(), headers=forged, meanwhile=lambda: bodies.append(1))
    assert isinstance(answer, Problem)
    assert answer.name == "too-many-requests"
    assert len(bodies) == bound


def test_a_large_body_is_read_for_who_has_proven_who_asks() -> None:
    """The answer is signed, and the room is kept until somebody says that it was taken."""
    in_flight = InFlight(total_max=1, each_max=1)
    answer, request = Door().ask_large(Message(), in_flight=in_flight)
    assert answer.status == 200
    assert json.loads(answer.body) == {"from": SENDER.id, "bytes": len(Message().body)}
    assert "Signature" in answer.fields
    assert in_flight.total == 1
    assert request.after_answer is not None
    request.after_answer()
    assert in_flight.total == 0


def test_a_large_body_is_not_read_for_a_stranger() -> None:
    """A forged signature is refused by the headers alone, unsigned, and takes no room."""
    in_flight = InFlight(total_max=1, each_max=1)
    forged = Message().headers()
    forged["Idempotency-Key"] = "another"
    bodies: list[int] = []
    answer, request = Door().ask_large(
        Message(), in_flight=in_flight, headers=forged, meanwhile=lambda: bodies.append(1)
    )
    assert (answer.status, "Signature" in answer.fields) == (401, False)
    assert not bodies
    assert in_flight.total == 0
    assert request.after_answer is None


def test_a_large_body_is_not_read_when_there_is_no_room() -> None:
    """429, signed, before the body: one participant leaves room for the others."""
    in_flight = InFlight(total_max=2, each_max=1)
    in_flight.enter(SENDER.number)
    bodies: list[int] = []
    answer, request = Door().ask_large(
        Message(), in_flight=in_flight, meanwhile=lambda: bodies.append(1)
    )
    assert (answer.status, "Signature" in answer.fields) == (429, True)
    assert not bodies
    assert request.after_answer is None
    assert in_flight.total == 1


def test_a_large_body_is_not_read_while_stopping() -> None:
    """503, signed: nothing new is begun."""
    door = Door()
    door.admission.drain()
    in_flight = InFlight(total_max=1, each_max=1)
    answer, _ = door.ask_large(Message(), in_flight=in_flight)
    assert (answer.status, "Signature" in answer.fields) == (503, True)
    assert in_flight.total == 0


def test_a_large_body_is_the_one_that_was_signed() -> None:
    """Another body under a good signature is refused, unsigned; the room is given back."""
    in_flight = InFlight(total_max=1, each_max=1)
    answer, request = Door().ask_large(Message(), in_flight=in_flight, body=b"{}")
    assert json.loads(answer.body)["type"].endswith("digest-mismatch")
    assert "Signature" not in answer.fields
    assert request.after_answer is not None


def test_a_slow_large_body_does_not_outlive_its_key() -> None:
    """What was true of the key before the body came is asked again after it."""
    door = Door()

    def meanwhile() -> None:
        door.clock.passed_s += 5.0

    answer, _ = door.ask_large(
        Message(), in_flight=InFlight(total_max=1, each_max=1), meanwhile=meanwhile
    )
    assert json.loads(answer.body)["type"].endswith("key-not-valid")


def test_only_a_verified_signature_is_a_use_of_its_key() -> None:
    """A forgery says nothing about when a key was used, and a proof is no use of the new key."""
    door = Door()
    forged = Message().headers()
    forged["Idempotency-Key"] = "another"
    door.ask(Message(), headers=forged)
    assert not door.uses
    door.introduce()
    assert door.uses == [(KEY_ID, NOW_US)]


def test_of_two_signatures_the_senders_alone_is_verified_at_the_door(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The curve is asked once for who sends, and a second time only for a verified sender."""
    asked: list[str] = []
    real = admission.verify

    def count(candidate: Candidate, public_key: bytes) -> bool:
        asked.append(candidate.key_id)
        return real(candidate, public_key)

    monkeypatch.setattr(admission, "verify", count)
    door = Door()
    caller = door.introduce()
    assert isinstance(caller, Caller)
    assert (caller.key_id, asked) == (KEY_ID, [KEY_ID])
    assert door.admission.check_second(caller, PUBLIC_KEY) is None
    assert asked == [KEY_ID, f"{SENDER.id}/new"]
    door.keys.known = msgspec.structs.replace(door.keys.known, public_key=ANOTHER)
    assert isinstance(door.introduce(), Problem)
    assert asked == [KEY_ID, f"{SENDER.id}/new", KEY_ID]


def test_proofs_that_fail_use_up_the_senders_budget() -> None:
    """Whoever has signatures of new keys checked for nothing is turned away in the end."""
    door = Door()
    bound = int(limits.FAILED_SIGNATURES_BURST + limits.SPARE_VERIFICATIONS_BURST)
    for _ in range(bound):
        caller = door.introduce()
        assert isinstance(caller, Caller)
        refusal = door.admission.check_second(caller, ANOTHER)
        assert refusal is not None
        assert refusal.name == "signature-invalid"
    answer = door.introduce()
    assert isinstance(answer, Problem)
    assert answer.name == "too-many-requests"
