"""The audit after a load test: what was answered is what the ledger holds, and the books are right.

Every acknowledged payment is compared byte for byte with the answer that the ledger's row gives
today; none may be missing, none may differ. What was decided beyond that must be a payment that was
sent and whose answer was lost.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from switch import ledger, reply
from switch.admin import Operator
from switch.queries import QUERIES

CHUNK = 1_000  # payments compared at a time
FINDINGS_MAX = 20  # told one by one

DECIDED = "SELECT count(*) FROM ledger.payment WHERE key LIKE $1 || '%'"


@dataclass(slots=True, kw_only=True)
class Audit:
    """What was found."""

    sent: int = 0
    answered: int = 0
    decided: int = 0
    findings: list[str] = field(default_factory=list)

    def find(self, what: str) -> None:
        """Something that must not be."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(what)


async def audit(operator: Operator, record: Path, run: str) -> Audit:
    """Compare the record of a run with the ledger, then check the books."""
    sent, answers = read_record(record)
    found = Audit(sent=len(sent), answered=len(answers))
    for keys in _chunks(list(answers)):
        await _compare(operator, {key: answers[key] for key in keys}, found)
    found.decided = await operator.connection.fetchval(DECIDED, f"load-{run}-")
    if not found.answered <= found.decided <= found.sent:
        found.find(
            f"{found.decided} payments were decided, {found.answered} answered, {found.sent} sent"
        )
    while await operator.fold_credits():
        pass
    for deviation in await operator.check_books():
        found.find(f"the books are wrong: {deviation}")
    return found


def read_record(record: Path) -> tuple[set[str], dict[str, str]]:
    """The keys that were sent, and the bodies that were answered by their keys."""
    sent: set[str] = set()
    answers: dict[str, str] = {}
    for line in record.read_text(encoding="utf-8").splitlines():
        noted = json.loads(line)
        if "sent" in noted:
            sent.add(noted["sent"])
        else:
            answers[noted["answered"]] = noted["body"]
    return sent, answers


async def _compare(operator: Operator, answers: dict[str, str], found: Audit) -> None:
    ids = {UUID(json.loads(body)["id"]): key for key, body in answers.items()}
    rows = await operator.connection.fetch(QUERIES["read_payments"], None, list(ids))
    held = {ids[row["id"]]: reply.render_payment(ledger.stored_payment(row)) for row in rows}
    for key, body in answers.items():
        if key not in held:
            found.find(f"{key} was answered and is not in the ledger: {body}")
        elif held[key] != body.encode():
            found.find(f"{key} was answered {body}, the ledger says {held[key].decode()}")


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(keys), CHUNK):
        yield keys[at : at + CHUNK]
