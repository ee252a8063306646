"""What users write down for the audit, one JSON object a line, one file a process; and its reading.

    {"sent": KEY, "by": HOLDER, "path": PATH, "body": TEXT}   before a message leaves
    {"again": KEY}                                            before the same leaves once more
    {"answered": KEY, "body": TEXT}                           its decision
    {"refused": KEY}                                          a signed refusal: not decided

What was sent and neither answered nor refused is in doubt.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it was sent."""

    by: str
    path: str
    body: str


@dataclass(slots=True, kw_only=True)
class Record:
    """Everything that was written down in a run, by keys."""

    sent: dict[str, Sent] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)  # one, unless something is wrong
    open: Counter[str] = field(default_factory=Counter)  # sent, and not refused

    @property
    def refused(self) -> set[str]:
        """What was refused as often as it was sent."""
        return {key for key in self.sent if not self.open[key] and key not in self.answers}

    @property
    def in_doubt(self) -> set[str]:
        """What may have been decided, and nobody knows."""
        return {key for key in self.sent if self.open[key] and key not in self.answers}

    def add(self, lines: Iterable[str]) -> None:
        """Read some lines; they may come in any order."""
        for line in lines:
            noted = json.loads(line)
            match noted:
                case {"sent": key}:
                    self.sent[key] = msgspec.convert(noted, Sent)
                    self.open[key] += 1
                case {"again": key}:
                    self.open[key] += 1
                case {"refused": key}:
                    self.open[key] -= 1
                case {"answered": key, "body": body}:
                    self.answers.setdefault(key, []).append(body)


def read_record(folder: Path) -> Record:
    """The record of all processes."""
    record = Record()
    for path in sorted(folder.glob("*.jsonl")):
        record.add(path.read_text(encoding="utf-8").splitlines())
    return record
