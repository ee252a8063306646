"""The audit after a load test: what was answered is what the ledger holds, and the books are right.

Every acknowledged payment and step is compared byte for byte with the answer that the ledger's row
gives today; none may be missing, none may differ. What was refused must not be there, and what is
there must have been sent and, once doubts are settled, answered. Nothing may still wait for a bank.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from loadtests.record import Record, read_record
from switch import ledger, reply
from switch.admin import Operator
from switch.queries import QUERIES

CHUNK = 1_000  # payments compared at a time
FINDINGS_MAX = 20  # told one by one

DECIDED = "SELECT key FROM ledger.payment WHERE key LIKE $1 || '%'"
WAITING = "SELECT key FROM ledger.pending_payment WHERE key LIKE $1 || '%'"


@dataclass(slots=True, kw_only=True)
class Audit:
    """What was found."""

    sent: int = 0
    answered: int = 0
    refused: int = 0
    decided: int = 0
    findings: list[str] = field(default_factory=list)

    def find(self, what: str) -> None:
        """Something that must not be."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(what)


async def audit(operator: Operator, folder: Path, run: str, *, is_calm: bool = True) -> Audit:
    """Compare the record of a run with the ledger, then check the books.

    On links that break a refusal may be that of a second attempt below HTTP, so there (`is_calm` is
    false) what was refused may have been decided.
    """
    record = read_record(folder)
    found = Audit(sent=len(record.sent), answered=len(record.answers), refused=len(record.refused))
    for keys in _chunks(list(record.answers)):
        await _compare(operator, {key: record.answers[key] for key in keys}, found)
    prefix = f"load-{run}-"
    decided = {row["key"] for row in await operator.connection.fetch(DECIDED, prefix)}
    found.decided = len(decided)
    _judge_keys(record, decided, found, is_calm=is_calm)
    for row in await operator.connection.fetch(WAITING, prefix):
        found.find(f"{row['key']} still waits for its bank")
    while await operator.fold_credits():
        pass
    for deviation in await operator.check_books():
        found.find(f"the books are wrong: {deviation}")
    return found


def _judge_keys(record: Record, decided: set[str], found: Audit, *, is_calm: bool) -> None:
    """What is in the ledger beside what was answered."""
    for key in sorted(decided - record.sent.keys()):
        found.find(f"{key} was decided and never sent")
    for key in sorted(record.in_doubt):
        found.find(f"{key} was sent and neither answered nor refused")
    if is_calm:
        for key in sorted(decided & record.refused):
            found.find(f"{key} was refused and decided")


async def _compare(operator: Operator, answers: dict[str, list[str]], found: Audit) -> None:
    ids = {UUID(json.loads(bodies[0])["id"]): key for key, bodies in answers.items()}
    rows = await operator.connection.fetch(QUERIES["read_payments"], None, list(ids))
    held = {ids[row["id"]]: reply.render_payment(ledger.stored_payment(row)) for row in rows}
    for key, bodies in answers.items():
        if key not in held:
            found.find(f"{key} was answered and is not in the ledger: {bodies[0]}")
            continue
        for body in bodies:
            if held[key] != body.encode():
                found.find(f"{key} was answered {body}, the ledger says {held[key].decode()}")


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(keys), CHUNK):
        yield keys[at : at + CHUNK]
