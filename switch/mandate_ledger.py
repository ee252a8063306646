"""What the ledger's rows say that messages about mandates were answered; `reads` asks for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from switch.ledger import Disposition
from switch.mandate import Mandate, as_decided
from switch.message import Payment, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateVerdict:
    """The answer to a message about a mandate, or the refusal for good of a key that was barred.

    None where no mandate was decided about, which spends no key.
    """

    disposition: Disposition
    answer: Mandate | Payment | Step | None


def mandate_answer(
    participant: str, row: Mapping[str, Any], disposition: Disposition
) -> MandateVerdict:
    """What the participant's message was answered: from its digest and the mandate's columns."""
    return MandateVerdict(
        disposition=disposition, answer=as_decided(participant, row, row["digest"])
    )
