"""What is asked of the ledger about keys, and what its rows about keys say; `reads` asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from switch.clock import rfc3339
from switch.key_message import KeyOperation, KeyRequest, ParticipantKey, published
from switch.ledger import Disposition
from switch.message import Payment, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyIntroduction:
    """A verified message that introduces a key, signed by both; the digest covers all of it."""

    participant_no: int
    participant: str
    key: str
    digest: bytes
    operation_id: UUID
    introducer: str  # the name of the valid key
    request: KeyRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevocation:
    """A verified message that revokes a key; the digest as above."""

    participant_no: int
    participant: str
    key: str
    digest: bytes
    operation_id: UUID
    name: str
    by: str  # the name of the key that signed


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVerdict:
    """The answer to either; or why a key is not introduced, which spends no idempotency key."""

    disposition: Disposition | None
    answer: ParticipantKey | KeyOperation | Payment | Step | None
    refusal: str | None = None
    validity_d_max: int | None = None


def introduced_key(participant: str, row: Mapping[str, Any]) -> ParticipantKey:
    """A key as it was made, whatever became of it since: what its introduction is answered."""
    introducer = row["introduced_by"]
    return ParticipantKey(
        id=f"{participant}/{row['name']}",
        name=row["name"],
        public_key=published(row["public_key"]),
        not_before=rfc3339(row["not_before"]),
        not_after=rfc3339(row["not_after"]),
        introduced_by=None if introducer is None else f"{participant}/{introducer}",
        confirmed_at=None,
        revoked_at=None,
        last_used_at=None,
        created_at=rfc3339(row["created_at"]),
    )


def stored_key(participant: str, row: Mapping[str, Any]) -> ParticipantKey:
    """A key as it stands."""
    return msgspec.structs.replace(
        introduced_key(participant, row),
        confirmed_at=_moment(row["confirmed_at"]),
        revoked_at=_moment(row["revoked_at"]),
        last_used_at=_moment(row["used_at"]),
    )


def _moment(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def key_answer(participant: str, key: str, row: Mapping[str, Any]) -> ParticipantKey | KeyOperation:
    """What a message about a key is answered, now and to every repeat."""
    if row["operation"] == "introduce":
        return introduced_key(participant, row)
    return KeyOperation(
        key=f"{participant}/{row['name']}",
        operation=row["operation"],
        revoked=[f"{participant}/{name}" for name in row["revoked"]],
        idempotency_key=key,
        decided_at=rfc3339(row["decided_at"]),
    )
