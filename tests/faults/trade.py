"""Trade for the feeds: purchases, holds, captures and refunds, each sent until it is decided.

A sender gives nothing up: it repeats the same bytes under the same key until the switch has told
its decision. So what everybody must be told of is known in the end, exactly: every approved
decision, and of those that belong together which came first.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from tests.faults.city import CURRENCY, Account, Switch
from tests.faults.wire import Connection, Word

SENDER_COUNT = 40
AMOUNT_MAX = 5_00  # minor units; poor wallets are declined soon, rich ones never
PAUSE_S = (0.02, 0.2)  # after a refusal or a broken connection

# What follows a purchase, and how often: a capture only where it was a hold.
CHAINS: tuple[tuple[str, ...], ...] = ((), ("refund",), ("capture",), ("capture", "refund"))
CHANCES = (0.55, 0.15, 0.10, 0.20)
EVENTS = {"capture": "payment.captured", "refund": "payment.refunded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An approved decision: what the event of it is called, and who must be told."""

    id: str
    event: str
    whose: frozenset[str]


class Trade:
    """The senders; their choices follow from the seed."""

    def __init__(self, switch: Switch, seed: int) -> None:
        self.switch = switch
        self.chains: list[list[Told]] = []  # each in the order of causes
        self.payment_count = 0  # decided; later steps not counted
        self.words: Counter[str] = Counter()  # of all attempts, as they were answered
        self._seed = seed
        self._key_count = 0

    async def run(self, count: int, pause_s: float = 0.0) -> None:
        """Trade until so many more payments were decided, and what follows them."""
        wanted = self.payment_count + count
        async with asyncio.TaskGroup() as senders:
            for number in range(SENDER_COUNT):
                senders.create_task(self._trade(f"{number} {wanted}", wanted, pause_s))

    def told_to(self, holder: str) -> Iterator[list[Told]]:
        """What a participant must be told of, in the order of causes, chain by chain."""
        for chain in self.chains:
            own = [told for told in chain if holder in told.whose]
            if own:
                yield own

    async def _trade(self, name: str, wanted: int, pause_s: float) -> None:
        chance = random.Random(f"{self._seed} {name}")
        connection = self.switch.connection()
        try:
            while self.payment_count < wanted:
                await self._pay(connection, chance)
                await asyncio.sleep(pause_s)
        finally:
            connection.close()

    async def _pay(self, connection: Connection, chance: random.Random) -> None:
        """One purchase or transfer, and what follows it."""
        city = self.switch.city
        steps = chance.choices(CHAINS, CHANCES)[0]
        is_transfer = not steps and chance.random() < 0.3
        payer = chance.choice(city.of_kind("wallet"))
        payees = city.of_kind("wallet" if is_transfer else "merchant")
        payee = chance.choice([account for account in payees if account.id != payer.id])
        content: dict[str, Any] = {
            "type": "transfer" if is_transfer else "purchase",
            "payer": payer.id,
            "payee": payee.id,
            "amount": chance.randint(2, AMOUNT_MAX),
            "currency": CURRENCY,
            "capture": "capture" not in steps,
        }
        whose = frozenset((payer.holder, payee.holder))
        first = await self._decide(connection, chance, payer, "/v1/payments", content)
        self.payment_count += 1
        if first["status"] == "declined":
            return
        event = f"payment.{first['status']}"
        chain = [Told(id=first["id"], event=event, whose=whose)]
        self.chains.append(chain)
        for step in steps:
            path = f"/v1/payments/{first['id']}/{step}"
            amount = chance.randint(1, 2)
            done = await self._decide(connection, chance, payee, path, {"amount": amount})
            assert done["status"] == "completed" or done["reason"] == "exceeds_captured", done
            if done["status"] == "completed":
                chain.append(Told(id=done["id"], event=EVENTS[step], whose=whose))

    async def _decide(
        self,
        connection: Connection,
        chance: random.Random,
        sender: Account,
        path: str,
        content: dict[str, Any],
    ) -> dict[str, Any]:
        """Send a message until it is decided; the decision."""
        self._key_count += 1
        key, body = f"{self._seed}-{self._key_count}", msgspec.json.encode(content)
        signer = self.switch.city.signers[sender.holder]
        while True:
            reply = await connection.send(signer, "POST", path, body=body, key=key)
            self.words[reply.detail] += 1
            assert reply.fault is None, reply
            assert reply.word is not Word.KEY_REUSED, reply
            if reply.word is Word.DECIDED:
                decision: dict[str, Any] = msgspec.json.decode(reply.body)
                return decision
            await asyncio.sleep(chance.uniform(*PAUSE_S))
