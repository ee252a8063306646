"""What the ledger is asked about accounts, and what its rows say of them; `reads` asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import UNSET

from switch.clock import rfc3339
from switch.ledger import Disposition
from switch.message import (
    Account,
    AccountLimits,
    AccountOperation,
    AccountRequest,
    Entry,
    Payment,
    Step,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOrder:
    """A verified message that opens an account; the digest covers method, path and payload."""

    participant_no: int
    participant: str
    key: str
    digest: bytes
    account_id: UUID
    request: AccountRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """A verified message that freezes, unfreezes or closes an account; the digest as above."""

    participant_no: int
    key: str
    digest: bytes
    account_id: UUID
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountVerdict:
    """The answer to either: an account that was opened, or what the change came to.

    Or the refusal for good of a key that was barred.
    """

    disposition: Disposition
    answer: Account | AccountOperation | Payment | Step | None


def stored_account(row: Mapping[str, Any]) -> Account:
    """An account as it stands, from a row of the view of all accounts."""
    daily_limit = row["daily_limit"]
    daily_left = None if daily_limit is None else max(0, daily_limit - row["spent_today"])
    yearly_limit = row["yearly_limit"]
    yearly_left = None if yearly_limit is None else max(0, yearly_limit - row["spent_this_year"])
    return Account(
        id=str(row["id"]),
        participant=row["participant"],
        kind=row["kind"],
        currency=row["currency"],
        status=row["status"],
        frozen_by=row["frozen_by"],
        reference=row["reference"],
        tier=row["tier"],
        balance=row["balance"],
        held=row["held"],
        available=row["balance"] - row["held"] - row["floor"],
        floor=row["floor"],
        limits=AccountLimits(
            payment_limit=row["payment_limit"],
            daily_limit=daily_limit,
            daily_left=daily_left,
            yearly_limit=yearly_limit,
            yearly_left=yearly_left,
            balance_limit=row["balance_limit"],
        ),
        created_at=rfc3339(row["created_at"]),
    )


def opened_account(participant: str, row: asyncpg.Record, asked: Mapping[str, Any]) -> Account:
    """The account as it was when it was opened; the same message always gets the same answer."""
    return Account(
        id=str(row["account"]),
        participant=participant,
        kind=asked["kind"],
        currency=asked["currency"],
        status=row["status"],
        frozen_by=None,
        reference=asked["reference"],
        tier=row["tier"],
        balance=0,
        held=0,
        available=0,
        floor=0,
        limits=AccountLimits(
            payment_limit=row["payment_limit"],
            daily_limit=row["daily_limit"],
            daily_left=row["daily_limit"],
            yearly_limit=row["yearly_limit"],
            yearly_left=row["yearly_limit"],
            balance_limit=row["balance_limit"],
        ),
        created_at=rfc3339(row["decided_at"]),
    )


def changed_account(row: asyncpg.Record) -> AccountOperation:
    """What a change of an account came to, as it was answered."""
    return AccountOperation(
        account=str(row["account"]),
        operation=row["operation"],
        status=row["status"],
        frozen_by=row["frozen_by"],
        reason=row["reason"],
        idempotency_key=row["key"],
        decided_at=rfc3339(row["decided_at"]),
    )


def entry(account_id: UUID, row: asyncpg.Record) -> Entry:
    """A line of a statement."""
    return Entry(
        account=str(account_id),
        posting=row["posting"],
        item=row["item"],
        direction=row["direction"],
        amount=row["amount"],
        currency=row["currency"],
        balance_after=row["balance_after"],
        payment=str(row["payment"]),
        type=row["type"],
        counterparty=str(row["counterparty"]),
        reference=row["reference"],
        payee_reference=row["payee_reference"],
        posted_at=rfc3339(row["posted_at"]),
        fee=UNSET if row["fee"] is None else row["fee"],
        drawn=UNSET if row["drawn"] is None else row["drawn"],
    )
