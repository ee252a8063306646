"""What a bank's books say of each payment: its log, added up. No I/O.

The log is the whole of the books. Adding it up needs nothing else, so whoever audits a run reads
the file and compares it with the ledger of the switch.
"""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from switch.simulate.journal import Line


class Position(Struct, frozen=True, kw_only=True):
    """One payment in the books of a bank, in minor units; both sides may be accounts of it."""

    currency: str
    payer: str | None = None  # the account that was asked for the money
    debited: int = 0  # taken from it
    held: int = 0  # kept for the payment, not taken yet
    is_reversed: bool = False  # the authorization counts for nothing, now and later
    payee: str | None = None  # the account that money came for
    credited: int = 0
    parent: str | None = None  # of a credit: the payment that is paid back

    @property
    def available(self) -> dict[str, int]:
        """What its accounts may spend more by this payment, or less."""
        moved: dict[str, int] = {}
        if self.payer is not None:
            moved[self.payer] = -self.debited - self.held
        if self.payee is not None:
            moved[self.payee] = moved.get(self.payee, 0) + self.credited
        return moved


def after(position: Position | None, line: Line) -> Position | None:
    """What the books say of a payment after one more line about it; None: nothing."""
    amount = line.amount or 0
    if position is None:
        if line.account is None or line.currency is None:
            return None  # an event about a payment that this bank never decided
        position = Position(currency=line.currency)
    match line.what, line.decision:
        case "authorization", _:
            taken = amount if line.decision == "approved" else 0
            if line.capture:
                return replace(position, payer=line.account, debited=taken)
            return replace(position, payer=line.account, held=taken)
        case "credit", _:
            given = amount if line.decision == "accepted" else 0
            return replace(position, payee=line.account, credited=given, parent=line.parent)
        case "reversal", _:
            return replace(position, payer=line.account, debited=0, held=0, is_reversed=True)
        case "payment.captured", _ if position.payer is not None:
            held = 0 if line.final else position.held - amount
            return replace(position, debited=position.debited + amount, held=held)
        case (("payment.voided" | "payment.expired"), _):
            return replace(position, held=0)
    return position


def add_up(lines: Iterable[Line]) -> dict[str, Position]:
    """What the books say of each payment, by its id; of a refund under the id of the refund."""
    positions: dict[str, Position] = {}
    for line in lines:
        if line.payment is not None:
            position = after(positions.get(line.payment), line)
            if position is not None:
                positions[line.payment] = position
    return positions
