"""Answers: their bytes are in golden files, because a repeat must be the first answer again."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from switch import examples
from switch.components import BoundRequest
from switch.digest import digest_field
from switch.errors import PROBLEMS, Problem
from switch.ledger import stored_verdict
from switch.message import Payment, Step
from switch.reply import (
    ANSWER_VERSION,
    PAYMENT_RENDERERS,
    Page,
    decided,
    document,
    refused,
    render_payment,
    repeated,
    signed,
)
from switch.signature import signing_key

GOLDEN = Path(__file__).parent / "golden"

# One stored decision a line: what the ledger rebuilds, as it is handed to the renderer.
STORED: dict[str, dict[str, Any]] = {
    "completed": examples.PAYMENT,
    "declined": examples.PAYMENT
    | {"status": "declined", "reason": "insufficient_funds", "amount_captured": 0},
    "every_member": examples.PAYMENT
    | {
        "expires_at": "2026-11-01T08:00:01.500000Z",
        "payee_reference": 'INV "12" \\ é 💶',
        "description": "两杯咖啡 </script>\u2028",
        "metadata": {"z": "1", "a": "", "m": "é"},
        "amount": 10**15,
        "amount_captured": 10**15,
    },
    "nothing_optional": examples.PAYMENT
    | {"reference": None, "description": None, "metadata": None},
    "by_mandate": examples.PAYMENT | {"mandate": "0199d1f0-0000-7000-8000-00000000000a"},
    "of_a_request": examples.PAYMENT | {"request": "0199d1f0-0000-7000-8000-00000000000b"},
    "empty_metadata": examples.PAYMENT | {"metadata": {}},
    "held": examples.PAYMENT
    | {
        "capture": False,
        "hold_seconds": 604_800,
        "status": "held",
        "amount_held": 1250,
        "amount_captured": 0,
        "hold_expires_at": "2026-11-08T08:00:00.000000Z",
    },
    "barred": examples.BARRED,
    "step": examples.STEP,
}

# A decision as it lies in the ledger.
ROW: dict[str, Any] = {
    "id": UUID(examples.PAYMENT["id"]),
    "key": "order-1",
    "digest": bytes(32),
    "participant": "wallet-one",
    "type": "transfer",
    "payer": UUID(int=1),
    "mandate": None,
    "payee": UUID(int=2),
    "request": None,
    "coupon": None,
    "amount": 5,
    "currency": "CNY",
    "expires_at": None,
    "reference": None,
    "payee_reference": None,
    "description": None,
    "metadata": None,
    "parent": None,
    "hold_seconds": None,
    "hold_expires_at": None,
    "outcome": 0,
    "answer_version": 1,
    "created_at": datetime(2026, 11, 1, tzinfo=UTC),
}


@pytest.mark.parametrize("name", sorted(STORED))
@pytest.mark.parametrize("version", sorted(PAYMENT_RENDERERS))
def test_a_stored_decision_is_rendered_to_the_bytes_of_its_golden_file(
    name: str, version: int
) -> None:
    """A renderer never changes: what was answered once is answered again, byte for byte."""
    golden = (GOLDEN / f"payment_{version}_{name}.json").read_bytes()
    shape = Step if "parent" in STORED[name] else Payment
    assert render_payment(shape(**STORED[name]), version) == golden


@pytest.mark.parametrize("replayed", [False, True])
def test_what_a_bank_has_to_decide_is_answered_with_the_present_state(replayed: bool) -> None:
    """202 to the first message and to a repeat, which replays no decision; as the examples show."""
    for content, shape in ((examples.PENDING_PAYMENT, Payment), (examples.PENDING_REFUND, Step)):
        answer = decided(msgspec.convert(content, shape), replayed=replayed)
        assert (answer.status, answer.fields) == (202, {})
        assert json.loads(answer.body) == content


def test_there_is_a_golden_file_for_every_renderer() -> None:
    """Each version that was ever answered has its files, and the newest is the one in use."""
    versions = {path.name.split("_")[1] for path in GOLDEN.glob("payment_*.json")}
    assert versions == {str(version) for version in PAYMENT_RENDERERS}
    assert max(PAYMENT_RENDERERS) == ANSWER_VERSION


def test_a_row_is_answered_by_the_renderer_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a second form comes, old decisions keep theirs and new ones get the new."""
    monkeypatch.setitem(PAYMENT_RENDERERS, 2, lambda payment: b"2 " + payment.id.encode())
    old = stored_verdict(ROW)
    new = stored_verdict(ROW | {"answer_version": 2})
    assert old.payment is not None
    assert old.payment == new.payment
    bodies = [
        decided(old.payment, replayed=True, answer_version=verdict.answer_version).body
        for verdict in (old, new)
    ]
    assert bodies == [render_payment(old.payment, 1), b"2 " + old.payment.id.encode()]


def test_a_row_of_a_form_not_known_here_is_a_fault() -> None:
    """A decision written by a newer switch is not answered in another form."""
    with pytest.raises(AssertionError, match="version 99"):
        decided(Payment(**examples.PAYMENT), replayed=True, answer_version=99)


def test_a_repeat_differs_from_the_first_answer_in_status_and_one_field_only() -> None:
    """201, then 200 with Idempotent-Replayed; the same body."""
    first = decided(Payment(**examples.PAYMENT), replayed=False)
    repeat = decided(Payment(**examples.PAYMENT), replayed=True)
    assert (first.status, repeat.status) == (201, 200)
    assert first.body == repeat.body
    assert first.fields == {}
    assert repeat.fields == {"Idempotent-Replayed": "true"}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_is_rendered_as_the_contract_says(name: str) -> None:
    """Every problem has its type, title, status and detail, and the media type of RFC 9457."""
    answer = refused(Problem(name=name, detail="why", field="amount", retry_after_s=2))
    status, title = PROBLEMS[name]
    assert answer.status == status
    assert answer.media_type == "application/problem+json"
    assert answer.fields == {"Retry-After": "2"}
    assert json.loads(answer.body) == {
        "type": f"urn:switch:problem:{name}",
        "title": title,
        "status": status,
        "detail": "why",
        "field": "amount",
    }
    assert "field" not in json.loads(refused(Problem(name=name, detail="why")).body)


def test_a_signed_answer_keeps_its_own_fields() -> None:
    """Signing adds three fields and changes nothing else, for answers and problems alike."""
    key = signing_key("switch/one", bytes(range(32)))
    bound = BoundRequest(
        method="POST", path="/v1/payments", query=None, content_digest=None, idempotency_key="k"
    )
    for plain in (
        decided(Payment(**examples.PAYMENT), replayed=True),
        refused(Problem(name="overloaded", detail="full", retry_after_s=1)),
    ):
        answer = signed(plain, key=key, bound=bound, created=1_793_520_000)
        assert (answer.status, answer.body) == (plain.status, plain.body)
        assert answer.media_type == plain.media_type
        assert plain.fields.items() <= answer.fields.items()
        assert answer.fields["Content-Digest"] == digest_field(plain.body)
        assert 'keyid="switch/one"' in answer.fields["Signature-Input"]
        assert answer.fields.keys() - plain.fields.keys() == {
            "Content-Digest",
            "Signature-Input",
            "Signature",
        }


def test_lists_and_documents() -> None:
    """A list says whether there is more and where to go on; a stored document says it is one."""
    payment = Payment(**examples.PAYMENT)
    page = document(Page(data=[payment], has_more=True, next_after=payment.id))
    assert page.status == 200
    assert json.loads(page.body) == {
        "data": [examples.PAYMENT],
        "has_more": True,
        "next_after": examples.PAYMENT["id"],
    }
    assert document(payment, status=201).status == 201
    assert repeated(payment).fields == {"Idempotent-Replayed": "true"}
