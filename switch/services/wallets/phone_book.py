"""Whom phone numbers name, for the services that pay by number."""

import asyncio
from collections.abc import Sequence
from functools import cached_property
from uuid import UUID

from switch.errors import Problem
from switch.service import Core
from switch.services.wallets import key_folder, limits, rules
from switch.services.wallets.indexes import QUERIES, our_indexes
from switch.services.wallets.seal import SecretBox


class WalletPhoneBook:
    """The numbers of wallets, by their blind indexes; see `switch.service.PhoneBook`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    @cached_property
    def _box(self) -> SecretBox:
        return key_folder.load(self._core.key_dir)

    async def accounts(self, phones: Sequence[str], currency: str) -> list[UUID | None]:
        """The open wallet that each names; None also for what is no phone number."""
        found: list[UUID | None] = [None] * len(phones)
        indexes: list[bytes] = []
        for place, phone in enumerate(phones):
            if place % limits.NUMBERS_AT_ONCE == 0:
                await asyncio.sleep(0)  # others are answered between
            number = rules.phone_number(phone)
            named = "" if isinstance(number, Problem) else number  # which names nobody
            indexes.append(self._box.blind_index("phone", named))
        with our_indexes():
            rows = await self._core.reads.ask(
                QUERIES["resolve_aliases"], "phone", indexes, currency, self._box.index_fingerprint
            )
        for row in rows:
            found[row["place"] - 1] = row["account"]
        return found

    def keyed(self, digest: bytes) -> bytes:
        """A digest by which nobody without the key can try what numbers it is of."""
        return self._box.keyed(digest)
