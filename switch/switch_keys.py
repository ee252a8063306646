"""The switch's own signing keys: which of those published has its private half here, and is valid.

For every process that signs: a worker its answers, the delivery and the banks process their calls.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg

from switch import keyfile, limits, log
from switch.clock import Clock
from switch.errors import SwitchError
from switch.keyfile import PublicKey
from switch.queries import QUERIES
from switch.signature import SigningKey, signing_key

_log = log.logger("keys")


class OwnKeys:
    """The private halves in the key directory, read once until `forget`."""

    def __init__(self, key_dir: Path, clock: Clock) -> None:
        self._key_dir = key_dir
        self._clock = clock
        self._private_keys: dict[str, SigningKey | None] = {}

    def forget(self) -> None:
        """Read the files anew when they are needed next."""
        self._private_keys.clear()

    def newest_usable(self, keys: tuple[PublicKey, ...]) -> SigningKey | None:
        """The newest of the switch's keys that is valid now and whose private half is here.

        What is chosen here signs until the next look, so a key is left alone a little before its
        end: nothing is signed with it that would be found too late.
        """
        now = self._clock.now()
        until = now + timedelta(seconds=limits.SWITCH_KEY_MARGIN_S)
        for public in reversed(keys):
            begun = public.not_before is None or public.not_before <= now
            ends = public.not_after is not None and public.not_after <= until
            if begun and not ends:
                private = self._private_key(public)
                if private is not None:
                    return private
        return None

    def _private_key(self, public: PublicKey) -> SigningKey | None:
        """A file that is missing or another key is left out and logged."""
        if public.key_id not in self._private_keys:
            name = public.key_id.split("/", 1)[1]
            found = None
            try:
                seed = keyfile.read_private_key(self._key_dir / f"{name}.pem")
                if keyfile.public_key(seed) == public.public_key:
                    found = signing_key(public.key_id, seed)
                else:
                    _log.warning("key file does not fit the registered key", key_id=public.key_id)
            except SwitchError as error:
                _log.warning("signing key not usable", key_id=public.key_id, error=str(error))
            self._private_keys[public.key_id] = found
        return self._private_keys[public.key_id]


class CurrentKey:
    """The key to sign with, followed in the turns of a loop: a new one signs within a second."""

    def __init__(self, key_dir: Path, clock: Clock) -> None:
        self._key_dir = key_dir
        self._clock = clock
        self._own = OwnKeys(key_dir, clock)
        self._published: tuple[PublicKey, ...] = ()
        self._key: SigningKey | None = None
        self._read_at_s = float("-inf")

    async def follow(self, connection: asyncpg.Connection) -> None:
        """Look again once a second, however often this is called; SwitchError when there is none.

        Then nothing is signed, and the next call looks at the files again.
        """
        now_s = self._clock.monotonic_s()
        if now_s - self._read_at_s >= limits.SWITCH_KEYS_LOOK_S:
            keys = published(await connection.fetch(QUERIES["read_switch_keys"]))
            if keys != self._published:
                self._published = keys
                self._own.forget()
            self._key = self._own.newest_usable(keys)
            self._read_at_s = now_s
        if self._key is None:
            self._own.forget()
            self._read_at_s = float("-inf")
            raise SwitchError(f"no valid signing key of the switch in {self._key_dir}")

    def key(self) -> SigningKey:
        """The key, after a look that found one."""
        assert self._key is not None, "nothing is sent before the keys were read"
        return self._key


def published(rows: Iterable[Mapping[str, Any]]) -> tuple[PublicKey, ...]:
    """The switch's keys from their rows, the newest last."""
    return tuple(
        PublicKey(
            key_id=f"switch/{row['name']}",
            public_key=row["public_key"],
            not_before=row["not_before"],
            not_after=row["not_after"],
        )
        for row in sorted(rows, key=lambda row: (row["not_before"], row["name"]))
    )
