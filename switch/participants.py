"""Who may speak: a snapshot in memory of all participants and their keys, and of the switch's own.

No query stands on the way of a payment. The snapshot follows the ledger by LISTEN/NOTIFY, and
because a half-open connection is silent, by asking for a version number a few times a second; a
question that is not answered in time ends the connection and a new one is made. A snapshot that
was not confirmed for two seconds is not trusted: better no answer than one for a revoked key.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
from msgspec import Struct

from switch import limits, log
from switch.clock import Clock
from switch.errors import SwitchError
from switch.keyfile import PublicKey
from switch.metrics import WorkerMetrics, participant_label
from switch.queries import QUERIES
from switch.signature import SigningKey
from switch.switch_keys import OwnKeys, published

CHANNEL = "switch_participants"

_log = log.logger("participants")


class Participant(Struct, frozen=True, kw_only=True):
    """One participant, as far as the path needs to know."""

    number: int
    id: str
    kind: str
    is_suspended: bool

    @property
    def label(self) -> str:
        """Its name in the metrics."""
        return participant_label(self.number, self.id)


class Key(Struct, frozen=True, kw_only=True):
    """A registered key that is not revoked. Times in microseconds since the epoch."""

    id: str
    number: int
    public_key: bytes
    not_before_us: int
    not_after_us: int
    participant: Participant

    @property
    def public(self) -> PublicKey:
        """As signatures are checked with it, by who has seen to it that it is valid now."""
        return PublicKey(key_id=self.id, public_key=self.public_key)

    @property
    def name(self) -> str:
        """The half of its id that the participant chose."""
        return self.id.partition("/")[2]

    def is_valid_at(self, now_us: int) -> bool:
        """Whether the key may sign at this time."""
        return self.not_before_us <= now_us < self.not_after_us


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything read at one version of the participants' tables."""

    version: int
    keys: dict[str, Key]
    switch_keys: tuple[PublicKey, ...]


# A poll or a connection that failed; the next attempt is a fraction of a second away. The driver
# says InternalClientError when the link breaks between two steps of a question.
_BROKEN = (
    SwitchError,
    TimeoutError,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

EMPTY = Snapshot(version=-1, keys={}, switch_keys=())


class Participants:
    """Holds the latest snapshot and keeps it fresh in a task of its own."""

    def __init__(
        self,
        *,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        key_dir: Path,
        clock: Clock,
        metrics: WorkerMetrics,
    ) -> None:
        self._connect = connect
        self._key_dir = key_dir
        self._clock = clock
        self._metrics = metrics
        self._snapshot = EMPTY
        self._confirmed_at_s = float("-inf")
        self.clock_apart_s = 0.0
        self._own_keys = OwnKeys(key_dir, clock)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.signing_key: SigningKey | None = None

    def is_known(self, key_id: str) -> bool:
        """Whether the key id is registered and not revoked."""
        return key_id in self._snapshot.keys

    def key(self, key_id: str) -> Key | None:
        """The key of this id in the latest snapshot."""
        return self._snapshot.keys.get(key_id)

    @property
    def age_s(self) -> float:
        """Since the ledger confirmed the snapshot."""
        return self._clock.monotonic_s() - self._confirmed_at_s

    @property
    def is_trusted(self) -> bool:
        """Whether the snapshot is fresh enough to decide by, and answers can be signed."""
        age_s = self._clock.monotonic_s() - self._confirmed_at_s
        return age_s <= limits.PARTICIPANTS_TRUST_S and self.signing_key is not None

    @property
    def published_keys(self) -> tuple[PublicKey, ...]:
        """The switch's own public keys, old ones included."""
        return self._snapshot.switch_keys

    def own_key(self) -> SigningKey:
        """What the switch signs with now, for whoever was admitted."""
        assert self.signing_key is not None, "nobody is admitted while answers cannot be signed"
        return self.signing_key

    async def start(self) -> None:
        """Read the first snapshot, then follow the ledger. Errors of the first read are raised."""
        connection = await self._open()
        try:
            await self._poll(connection)
        except BaseException:
            connection.terminate()
            raise
        if self.signing_key is None:
            connection.terminate()
            raise SwitchError(
                f"no valid signing key of the switch in {self._key_dir}: run `switch key rotate`"
            )
        self._task = asyncio.create_task(self._follow(connection), name="participants")

    async def stop(self) -> None:
        """End the task and its connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _follow(self, connection: asyncpg.Connection) -> None:
        while True:
            try:
                await self._poll_until_broken(connection)
            except _BROKEN as error:
                _log.warning("participants cannot be read", error=str(error) or repr(error))
            except Exception:
                _log.exception("fault in reading participants")
            finally:
                connection.terminate()
            connection = await self._reopen()

    async def _poll_until_broken(self, connection: asyncpg.Connection) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(limits.PARTICIPANTS_POLL_S):
                    await self._changed.wait()
            self._changed.clear()
            await self._poll(connection)

    async def _reopen(self) -> asyncpg.Connection:
        while True:
            self._metrics.reconnects.add(("participants",))
            try:
                return await self._open()
            except _BROKEN:  # logged when it began; what it means is told by `is_trusted`
                await asyncio.sleep(limits.PARTICIPANTS_RECONNECT_S)

    async def _open(self) -> asyncpg.Connection:
        connection = await self._connect()
        try:
            async with asyncio.timeout(limits.PARTICIPANTS_QUERY_TIMEOUT_S):
                await connection.add_listener(CHANNEL, self._heard)
        except BaseException:
            connection.terminate()
            raise
        self._changed.set()  # what was announced while nobody listened
        return connection

    def _heard(self, *_: object) -> None:
        self._changed.set()

    async def _poll(self, connection: asyncpg.Connection) -> None:
        """Ask for the version and read everything anew when it moved."""
        asked_at_s, asked_at_us = self._clock.monotonic_s(), self._clock.now_us()
        async with asyncio.timeout(limits.PARTICIPANTS_QUERY_TIMEOUT_S):
            row = await connection.fetchrow(QUERIES["participants_version"])
        answered_at_us = _us(row["answered_at"])
        self.clock_apart_s = _apart_s(asked_at_us, answered_at_us, self._clock.now_us())
        version = row["version"]
        if version != self._snapshot.version:
            async with asyncio.timeout(limits.PARTICIPANTS_READ_TIMEOUT_S):
                self._snapshot = await read_snapshot(connection, version)
            self._own_keys.forget()
        self.signing_key = self._own_keys.newest_usable(self._snapshot.switch_keys)
        self._confirmed_at_s = asked_at_s


async def read_snapshot(connection: asyncpg.Connection, version: int) -> Snapshot:
    """Everything anew; `version` is what was asked for before it."""
    rows = await connection.fetch(QUERIES["read_participants"])
    switch_rows = await connection.fetch(QUERIES["read_switch_keys"])
    return _snapshot(version, rows, switch_rows)


def _snapshot(version: int, rows: list[Any], switch_rows: list[Any]) -> Snapshot:
    participants: dict[int, Participant] = {}
    keys: dict[str, Key] = {}
    for row in rows:
        participant = participants.setdefault(
            row["participant_no"],
            Participant(
                number=row["participant_no"],
                id=row["participant"],
                kind=row["kind"],
                is_suspended=row["status"] == "suspended",
            ),
        )
        if row["key_name"] is not None:
            key_id = f"{participant.id}/{row['key_name']}"
            keys[key_id] = Key(
                id=key_id,
                number=row["key_no"],
                public_key=row["public_key"],
                not_before_us=_us(row["not_before"]),
                not_after_us=_us(row["not_after"]),
                participant=participant,
            )
    switch_keys = published(switch_rows)
    return Snapshot(version=version, keys=keys, switch_keys=switch_keys)


def _apart_s(asked_at_us: int, answered_at_us: int, heard_at_us: int) -> float:
    """How far two clocks are apart at least: 0 while the other's time lies within the question."""
    return max(asked_at_us - answered_at_us, answered_at_us - heard_at_us, 0) / 1_000_000


def _us(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
