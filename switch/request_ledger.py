"""What the ledger's rows say of messages about payment requests; `reads` asks for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from switch.ledger import Disposition
from switch.message import Payment, Step
from switch.request_to_pay import RequestToPay, as_decided


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestVerdict:
    """What a key was spent on, where that is a payment request."""

    disposition: Disposition
    answer: RequestToPay | Payment | Step | None


def request_answer(
    participant: str, row: Mapping[str, Any], disposition: Disposition
) -> RequestVerdict:
    """What the participant's message came to: from its digest and the request's columns."""
    return RequestVerdict(
        disposition=disposition, answer=as_decided(participant, row, row["digest"])
    )
