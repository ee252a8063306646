"""What a bank is asked about an account of its own, and what it decides."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from switch import limits
from switch.bank_message import (
    DECISIONS,
    Authorization,
    BankAnswer,
    BankPath,
    Credit,
    Reversal,
    decode_answer,
    idempotency_key,
)
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.conformance.player import Asked, Heard, Player, Target
from switch.conformance.report import PASSED, Seen, failed, skipped
from switch.signature import SigningKey


class TrialAccount(Struct, frozen=True, kw_only=True):
    """An account at the bank, and how much is asked of it at a time."""

    id: str
    reference: str | None
    currency: str
    amount: int


class Interview:
    """Questions to one bank; at which of its paths it has decided anything so far."""

    def __init__(self, player: Player, account: TrialAccount) -> None:
        self._account = account
        self._deciding: set[BankPath] = set()
        self.player = player

    # Asking.

    def target(self, path: BankPath) -> Target:
        """Where a path is."""
        return self.player.target(f"/{path}")

    async def ask(
        self,
        path: BankPath,
        asked: Asked,
        *,
        body: bytes | None = None,
        key: SigningKey | None = None,
    ) -> Heard:
        """Ask once, in other bytes or by another key of the switch if they are given."""
        return await self.player.ask(
            self.target(path),
            msgspec.json.encode(asked) if body is None else body,
            idempotency_key(path, asked.payment),
            asked,
            key,
        )

    async def decided(
        self, path: BankPath, asked: Asked, *, key: SigningKey | None = None
    ) -> tuple[Heard, BankAnswer | None]:
        """Ask once; with the answer when it is a decision of that path."""
        heard = await self.ask(path, asked, key=key)
        answer = decision(path, heard)
        if answer is not None:
            self._deciding.add(path)
        return heard, answer

    async def stays(self, path: BankPath, asked: Asked) -> Seen:
        """Whether something is decided, and again in the same bytes."""
        first, answer = await self.decided(path, asked)
        if answer is None:
            return failed(first.short)
        again, answer = await self.decided(path, asked)
        if answer is None or again.body != first.body:
            return failed(f"first it {first.short}, then it {again.short}")
        return PASSED

    async def everywhere(self, trial: Callable[[BankPath], Awaitable[str | None]]) -> Seen:
        """Try something at each path that has decided anything; a trial tells what went wrong.

        A path that has not is none to try things at: the check about its decisions has failed.
        """
        faults, silent = [], []
        for path in DECISIONS:
            if path not in self._deciding:
                silent.append(f"/{path}")
                continue
            fault = await trial(path)
            if fault is not None:
                faults.append(f"/{path}: {fault}")
        if faults:
            return failed("; ".join(faults))
        if silent:
            return skipped(f"nothing was decided so far at {' and '.join(silent)}")
        return PASSED

    # What is asked.

    async def question(self, path: BankPath) -> Asked:
        """Something new that a path must decide; a reversal is of what the bank has seen."""
        match path:
            case "authorizations":
                return self.authorization()
            case "credits":
                return self.credit()
            case "reversals":
                asked = self.authorization()
                await self.ask("authorizations", asked)
                return reversal_of(asked)

    def authorization(self) -> Authorization:
        """May the account pay?"""
        deadline = SYSTEM_CLOCK.now() + timedelta(seconds=limits.BANK_DEADLINE_S)
        return Authorization(
            **self._common(),
            payee=str(uuid4()),
            capture=True,
            hold_expires_at=None,
            deadline=rfc3339(deadline),
        )

    def credit(self) -> Credit:
        """Money for the account."""
        return Credit(**self._common(), parent=None, payer=str(uuid4()))

    def _common(self) -> dict[str, Any]:
        account = self._account
        return {
            "payment": str(uuid4()),
            "type": "purchase",
            "account": account.id,
            "account_reference": account.reference,
            "amount": account.amount,
            "currency": account.currency,
            "reference": "conformance",
            "payee_reference": None,
            "description": None,
            "created_at": rfc3339(SYSTEM_CLOCK.now()),
        }


def reversal_of(asked: Authorization) -> Reversal:
    """An authorization counts for nothing."""
    return Reversal(
        payment=asked.payment,
        account=asked.account,
        account_reference=asked.account_reference,
        amount=asked.amount,
        currency=asked.currency,
        reason="issuer_timeout",
        created_at=rfc3339(SYSTEM_CLOCK.now()),
    )


def decision(path: BankPath, heard: Heard) -> BankAnswer | None:
    """The decision in an answer, when it is one of this path; who signed it is not looked at."""
    if heard.status not in (200, 201):
        return None
    answer = decode_answer(heard.body)
    return answer if answer is not None and answer.decision in DECISIONS[path] else None
