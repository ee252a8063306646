"""Admission by a clock in the test's hand: what held for the headers must hold for the body."""

import asyncio
import json

import msgspec
import pytest
from multidict import CIMultiDict

from switch import admission, keyfile, limits
from switch.admission import Caller
from switch.budget import InFlight
from switch.endpoint import NO_ENDPOINT
from switch.errors import Problem
from switch.metrics import UNKNOWN
from switch.reply import refused
from switch.requests import NOT_FOUND
from switch.shares import Shares
from switch.signature import Candidate
from switch.signing import check_reply
from tests.unit.door import SENDER, SWITCH_KEY, Door
from tests.unit.signed_message import (
    CREATED,
    KEY_ID,
    NOW_US,
    PUBLIC_KEY,
    REQUIRED,
    Message,
    found,
)

NOT_HERE = refused(NO_ENDPOINT)
GET = Message(method="GET", path="/v1/nothing", body=b"", key=None, covered=REQUIRED[:3])
ANOTHER = keyfile.public_key(bytes(reversed(range(32))))


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


@pytest.mark.parametrize("message", [GET, GET.but(method="HEAD"), Message(method="PUT")])
def test_what_is_not_here_is_signed_for_who_signed(message: Message) -> None:
    """The refusal stands as it was, bound to its request; a HEAD's content is digested as empty."""
    door = Door()
    answer = asyncio.run(door.admission.seal_if_verified(door.request(message), NOT_HERE))
    assert (answer.status, answer.body) == (404, NOT_HERE.body)
    candidate = found(message)
    assert not isinstance(candidate, Problem)
    fault = check_reply(
        status=404,
        headers=CIMultiDict(answer.fields),
        body=b"" if message.method == "HEAD" else answer.body,
        bound=candidate.bound,
        keys={SWITCH_KEY.key_id: SWITCH_KEY},
        now_us=door.clock.now_us(),
    )
    assert fault is None, fault


@pytest.mark.parametrize(
    ("message", "is_too_large"),
    [
        (Message(parameters=f';created={CREATED};keyid="bank-of-qingdao/unknown"'), False),
        (Message(parameters=f';created={CREATED - 1000};keyid="{KEY_ID}"'), False),
        (Message(covered=("@method",)), False),
        (Message(authority="elsewhere.example"), False),
        (Message(), True),
    ],
    ids=["unknown key", "too old", "covers too little", "another switch", "body too large"],
)
def test_what_is_not_here_costs_no_body_where_no_signature_can_hold(
    message: Message, is_too_large: bool
) -> None:
    """The refusal as it is, before a body is waited for and so before any curve arithmetic."""
    bodies: list[int] = []
    door = Door()
    request = door.request(
        message,
        meanwhile=lambda: bodies.append(1),
        body_bytes=limits.BODY_BYTES_MAX + 1 if is_too_large else None,
    )
    assert asyncio.run(door.admission.seal_if_verified(request, NOT_HERE)) is NOT_HERE
    assert not bodies


def test_what_is_not_here_for_who_does_not_sign_is_no_failed_signature() -> None:
    """Whoever looks around without a key is told so, and raises no alarm."""
    door = Door()
    request = door.request(GET, headers=CIMultiDict({"Host": GET.authority}))
    assert asyncio.run(door.admission.seal_if_verified(request, NOT_HERE)) is NOT_HERE
    assert not door.metrics.signature_failures._counts


def test_a_failure_is_counted_for_whose_key_it_names() -> None:
    """Also before its signature was looked at; of a key that nobody has, for nobody."""
    door = Door()
    forged = Message().headers()
    forged["Idempotency-Key"] = "another"
    door.ask(Message(), headers=forged)
    uncovered = Message(covered=REQUIRED[:3])
    door.ask(uncovered)
    stranger = Message().headers()
    stranger["Signature-Input"] = stranger["Signature-Input"].replace(KEY_ID, "nobody/one")
    door.ask(Message(), headers=stranger)
    assert door.metrics.signature_failures._counts == {
        (SENDER.id, "signature-invalid"): 1,
        (SENDER.id, "signature-incomplete"): 1,
        (UNKNOWN, "key-unknown"): 1,
    }
    assert not door.metrics.refusals._counts, "nobody was refused who is known to have sent it"


def test_a_refusal_is_counted_for_who_sent_it() -> None:
    """Signed, or for want of room, before the signature was looked at; an answer is none."""
    door = Door()
    caller = door.ask(Message())
    assert isinstance(caller, Caller)
    door.admission.seal(caller, NOT_HERE)
    assert not door.metrics.refusals._counts
    door.admission.seal(caller, NOT_FOUND)
    room = Shares(total_max=0, each_max=0, clock=door.clock)
    room.room = 0
    full = Door(payments=room)
    refusal = asyncio.run(full.admission.admit(full.request(Message()), is_payment=True))
    assert isinstance(refusal, Problem)
    assert door.metrics.refusals._counts == {(SENDER.id, "not-found"): 1}
    assert full.metrics.refusals._counts == {(SENDER.id, "overloaded"): 1}


def test_waiting_for_a_body_is_not_work() -> None:
    """What a caller takes to send it is in a figure of its own, and so is signing the answer."""
    door = Door()

    def meanwhile() -> None:
        door.clock.passed_s += 2.5

    caller = door.ask(Message(), meanwhile=meanwhile)
    assert isinstance(caller, Caller)
    door.admission.seal(caller, NOT_HERE)
    door.metrics.flush()
    read = door.registry.get_sample_value
    assert read("switch_body_seconds_sum") == 2.5
    assert (read("switch_signature_seconds_count"), read("switch_signature_seconds_sum")) == (1, 0)
    assert (read("switch_sealing_seconds_count"), read("switch_sealing_seconds_sum")) == (1, 0)


def test_forgeries_for_what_is_not_here_use_up_the_budget_of_forgeries() -> None:
    """A path that nobody serves is no way to have more signatures verified than elsewhere."""
    door = Door()
    forged = Message().headers()
    forged["Idempotency-Key"] = "another"
    bodies: list[int] = []
    bound = int(limits.FAILED_SIGNATURES_BURST + limits.SPARE_VERIFICATIONS_BURST)
    for _ in range(bound + 50):
        request = door.request(Message(), headers=forged, meanwhile=lambda: bodies.append(1))
        assert asyncio.run(door.admission.seal_if_verified(request, NOT_HERE)) is NOT_HERE
    assert len(bodies) == bound


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
