"""Load from many connections at once, which goes on whatever is killed, and writes a journal.

A connection makes a new payment, or repeats one that was decided, or sends again what another
connection has under way, or tries another payment under a key that was used. What was not decided
is sometimes sent again until it is, sometimes left as it stands, as a participant that died would.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from tests.faults.city import Switch
from tests.faults.journal import Journal, Message
from tests.faults.wire import Connection, Word
from tests.integration.running import until

CONNECTION_COUNT = 40
PAUSE_S = (0.02, 0.3)  # after a refusal or a broken connection


class Load:
    """The senders; their choices follow from the seed."""

    def __init__(self, switch: Switch, seed: int) -> None:
        self.switch = switch
        self.journal = Journal()
        self.audited_count = 0  # answers up to here were repeated by an audit
        self.is_sound = True  # since the last audit nothing happened
        self._seed = seed
        self._round = 0
        self._count = 0
        self._is_ending = False
        self._under_way: dict[int, Message] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load while the block lasts; at its end every attempt has had its word."""
        self._round += 1
        self._is_ending = self.is_sound = False
        async with asyncio.TaskGroup() as senders:
            for number in range(CONNECTION_COUNT):
                senders.create_task(self._send_on(number))
            yield
            self._is_ending = True

    async def decides(self, count: int) -> None:
        """Wait until so many more messages were decided than up to now."""
        target = len(self.journal.answered) + count
        await until(lambda: len(self.journal.answered) >= target, f"{count} more decisions")

    async def _send_on(self, number: int) -> None:
        chance = random.Random(f"{self._seed} {self._round} {number}")
        connection = self.switch.connection()
        try:
            while not self._is_ending:
                await self._send_something(connection, number, chance)
        finally:
            connection.close()

    async def _send_something(
        self, connection: Connection, number: int, chance: random.Random
    ) -> None:
        choice = chance.random()
        known = self.journal.any_answered(chance)
        others = list(self._under_way.values()) if choice < 0.05 else []
        if others:
            await self._attempt(connection, chance.choice(others))
        elif known is not None and choice < 0.15:
            await self._attempt(connection, known)
        elif known is not None and choice < 0.18:
            await self._reuse(connection, known)
        else:
            self._count += 1
            message = self.switch.city.new_message(chance, f"{self._seed}-{self._count}")
            self._under_way[number] = self.journal.add(message)
            await self._send_new(connection, message, chance)
            del self._under_way[number]

    async def _send_new(
        self, connection: Connection, message: Message, chance: random.Random
    ) -> None:
        """Send it, and perhaps again and again until it is decided."""
        is_persistent = chance.random() < 0.5
        while True:
            word = await self._attempt(connection, message)
            if word is Word.DECIDED:
                return
            await asyncio.sleep(chance.uniform(*PAUSE_S))
            if not is_persistent or self._is_ending:
                return

    async def _attempt(self, connection: Connection, message: Message) -> Word:
        return await attempt(connection, self.journal, message)

    async def _reuse(self, connection: Connection, message: Message) -> None:
        """Another payment under a key that was decided: refused, whatever else happens."""
        content = msgspec.json.decode(message.body)
        content["amount"] += 1
        body = msgspec.json.encode(content)
        reply = await connection.send(
            message.signer, "POST", "/v1/payments", body=body, key=message.key
        )
        self.journal.hear_of_reuse(message, reply)


async def attempt(connection: Connection, journal: Journal, message: Message) -> Word:
    """Send a message once, with its own key and bytes, and write down what comes back."""
    message.under_way += 1
    try:
        reply = await connection.send(
            message.signer, "POST", "/v1/payments", body=message.body, key=message.key
        )
    finally:
        message.under_way -= 1
    journal.hear(message, reply)
    return reply.word
