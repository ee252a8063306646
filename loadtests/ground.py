"""What all users of one locust process share: the plan, the keys, and the record for the audit."""

import itertools
import json
import os
import random
from functools import cached_property
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import msgspec

from loadtests.city import PLAN, Plan
from loadtests.scenarios import BY_NAME
from switch.keyfile import parse_jwks, read_private_key
from switch.signature import signing_key


class Ground:
    """Made once, before locust may fork; each process writes a file of its own."""

    def __init__(self) -> None:
        self.plan = msgspec.json.decode(Path(os.environ[PLAN]).read_bytes(), type=Plan)
        self.scenario = BY_NAME[self.plan.scenario]
        self.city = self.plan.city
        self.authority = urlsplit(self.city.url).netloc
        self.switch_keys = parse_jwks(self.city.switch_keys.encode())
        self.keys = {
            holder.id: signing_key(holder.key_id, read_private_key(Path(holder.key_file)))
            for holder in self.city.holders
        }
        self._numbers = itertools.count(1)

    @cached_property
    def _record(self) -> TextIO:
        """Each line is on its way when it is noted: a process may be ended at any time."""
        path = Path(self.plan.record) / f"{os.getpid()}.jsonl"
        return path.open("a", encoding="utf-8", buffering=1)

    def next_key(self) -> str:
        """An idempotency key that the audit knows for one of this run."""
        return f"load-{self.plan.run}-{os.getpid()}-{next(self._numbers)}"

    def note(self, **fields: str) -> None:
        """One line for the audit."""
        self._record.write(json.dumps(fields) + "\n")

    def shop(self) -> str:
        """Where somebody buys: the hot till as often as the scenario says, else any other."""
        hot, *others = self.city.payees
        share = self.scenario.hot_share or 1 / len(self.city.payees)
        return hot if random.random() < share else random.choice(others)

    def wallet(self) -> str:
        """Anybody's wallet."""
        return random.choice(random.choice(self.city.providers).accounts)
