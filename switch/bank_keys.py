"""Which keys banks may answer with: read anew when the ledger says that participants have changed.

Followed in the turns of a loop. Where the ledger has not confirmed them for two seconds nothing is
known of them: a key may be revoked by now.
"""

from collections import defaultdict
from collections.abc import Mapping

import asyncpg

from switch import limits
from switch.clock import Clock
from switch.keyfile import PublicKey
from switch.participants import EMPTY, Key, read_snapshot
from switch.queries import QUERIES


class BankKeys:
    """The keys of all banks, as the ledger last confirmed them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._version = EMPTY.version
        self._keys: Mapping[int, list[Key]] = {}
        self._confirmed_at_s = float("-inf")

    async def follow(self, connection: asyncpg.Connection) -> None:
        """Ask a few times a second whether they have changed, however often this is called."""
        asked_at_s = self._clock.monotonic_s()
        if asked_at_s - self._confirmed_at_s < limits.PARTICIPANTS_POLL_S:
            return
        version = await connection.fetchval(QUERIES["participants_version"])
        if version != self._version:
            snapshot = await read_snapshot(connection, version)
            keys = defaultdict(list)
            for key in snapshot.keys.values():
                if key.participant.kind == "bank":
                    keys[key.participant.number].append(key)
            self._version, self._keys = version, keys
        self._confirmed_at_s = asked_at_s

    def of(self, participant_no: int) -> Mapping[str, PublicKey] | None:
        """Those of one bank that are valid now, by id; None when nobody knows at present."""
        if self._clock.monotonic_s() - self._confirmed_at_s > limits.PARTICIPANTS_TRUST_S:
            return None
        now_us = self._clock.now_us()
        keys = self._keys.get(participant_no, [])
        return {key.id: key.public for key in keys if key.is_valid_at(now_us)}
