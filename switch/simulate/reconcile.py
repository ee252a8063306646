"""A bank's books against the switch: what each says of every payment of the bank's accounts.

The switch is asked as any bank may ask it, by signed look-ups, so a bank that runs the real thing
reconciles in the same way. What still waits to be decided, or to be told, is not in both yet: while
payments are under way, look again a little later.
"""

from collections.abc import Mapping, Set
from datetime import datetime

from msgspec import Struct

from switch.client import Client, Payment, Step
from switch.simulate.positions import Position


class Difference(Struct, frozen=True, kw_only=True):
    """One amount that the books and the switch do not agree on, in minor units."""

    payment: str
    account: str
    what: str  # debited, held or credited
    at_bank: int
    at_switch: int


class Comparison(Struct, frozen=True, kw_only=True):
    """What came of comparing."""

    compared: int  # payments and refunds that the switch has decided
    waiting: int  # that it has not
    differences: tuple[Difference, ...]


async def reconcile(client: Client, positions: Mapping[str, Position], now: datetime) -> Comparison:
    """Compare the books with what the switch shows now; `client` is the bank's."""
    accounts = {one.id async for one in client.accounts() if one.kind == "external"}
    shown = {one.id: one for account in accounts async for one in client.payments(account=account)}
    return compare(positions, shown, accounts, now)


def compare(
    positions: Mapping[str, Position],
    shown: Mapping[str, Payment | Step],
    accounts: Set[str],
    now: datetime,
) -> Comparison:
    """Compare the books with all payments of the bank's accounts, as the switch has shown them."""
    waiting = {one.id for one in shown.values() if one.status == "pending"}
    at_switch: dict[Where, int] = {}
    for one in shown.values():
        at_switch |= _by_switch(one, accounts, now)
    at_bank: dict[Where, int] = {}
    for payment, position in positions.items():
        if payment not in waiting:
            at_bank |= _by_bank(payment, position)
    differences = tuple(
        Difference(
            payment=where[0],
            account=where[1],
            what=where[2],
            at_bank=at_bank.get(where, 0),
            at_switch=at_switch.get(where, 0),
        )
        for where in sorted(at_bank.keys() | at_switch.keys())
        if at_bank.get(where, 0) != at_switch.get(where, 0)
    )
    return Comparison(
        compared=len(shown) - len(waiting), waiting=len(waiting), differences=differences
    )


Where = tuple[str, str, str]  # payment, account, and what was done


def _by_bank(payment: str, position: Position) -> dict[Where, int]:
    """What the books say of a payment."""
    said: dict[Where, int] = {}
    if position.payer is not None:
        said[payment, position.payer, "debited"] = position.debited
        said[payment, position.payer, "held"] = position.held
    if position.payee is not None:
        said[payment, position.payee, "credited"] = position.credited
    return said


def _by_switch(one: Payment | Step, accounts: Set[str], now: datetime) -> dict[Where, int]:
    """What the switch says of a payment, for the accounts that are the bank's."""
    said: dict[Where, int] = {}
    if one.status in ("pending", "declined"):
        return said
    if isinstance(one, Step):
        is_credit = one.type in ("refund", "reversal")
        if is_credit and one.payee is not None and one.payee in accounts:
            said[one.id, one.payee, "credited"] = one.amount or 0
        return said
    if one.payer is not None and one.payer in accounts:
        said[one.id, one.payer, "debited"] = one.amount_captured
        said[one.id, one.payer, "held"] = _held(one, now)
    if one.payee is not None and one.payee in accounts:
        said[one.id, one.payee, "credited"] = one.amount_captured
    return said


def _held(payment: Payment, now: datetime) -> int:
    """What of a hold is open still."""
    until = payment.hold_expires_at
    if until is None or datetime.fromisoformat(until) <= now:
        return 0
    return payment.amount_held - payment.amount_captured - payment.amount_voided
