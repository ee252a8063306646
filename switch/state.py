"""The life of a payment: its status, and which steps may follow. No I/O, no clock.

One table, held against docs/OUTCOMES.md and against the ledger by tests. What a step may not do is
an outcome (`wrong_state`, `hold_expired`, `exceeds_held`, `exceeds_captured`), decided in the
ledger from the same amounts.
"""

from collections.abc import Mapping

CAPTURE, VOID, EXPIRY, REFUND = "capture", "void", "expiry", "refund"

# Status → step → what the payment can be afterwards. While some of a hold is open, more of it can
# be captured; what was refunded says more about a payment than what is still held.
TRANSITIONS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "pending": {},
    "completed": {REFUND: frozenset({"partially_refunded", "refunded"})},
    "declined": {},
    "held": {
        CAPTURE: frozenset({"partially_captured", "captured"}),
        VOID: frozenset({"voided"}),
        EXPIRY: frozenset({"expired"}),
    },
    "partially_captured": {
        CAPTURE: frozenset({"partially_captured", "captured"}),
        VOID: frozenset({"captured"}),
        EXPIRY: frozenset({"captured"}),
        REFUND: frozenset({"partially_refunded"}),
    },
    "captured": {REFUND: frozenset({"partially_refunded", "refunded"})},
    "voided": {},
    "expired": {},
    "partially_refunded": {
        CAPTURE: frozenset({"partially_refunded"}),
        VOID: frozenset({"partially_refunded", "refunded"}),
        EXPIRY: frozenset({"partially_refunded", "refunded"}),
        REFUND: frozenset({"partially_refunded", "refunded"}),
    },
    "refunded": {},
}


def payment_status(
    *, captured: int, voided: int, refunded: int, is_held: bool, was_held: bool = True
) -> str:
    """What an approved payment is now, from its amounts in minor units.

    `is_held` says whether some of it still waits to be captured, `was_held` whether it began as a
    hold.
    """
    if refunded > 0:
        return "refunded" if refunded == captured and not is_held else "partially_refunded"
    if captured > 0:
        return "partially_captured" if is_held else "captured" if was_held else "completed"
    if is_held:
        return "held"
    return "voided" if voided > 0 else "expired"
