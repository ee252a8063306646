"""Outcomes: what the ledger can decide about a payment, in order of precedence.

The first line that applies is the answer. Numbers leave gaps so that a service can insert its own
at a documented place; the table `ledger.outcome` keeps the same numbers and a test compares the
two. Each outcome has a heading in `docs/OUTCOMES.md` and a row in `tests/ledger/test_outcomes.py`.
"""

from enum import IntEnum


class Outcome(IntEnum):
    """Approved, or the first reason to decline."""

    APPROVED = 0
    BARRED = 10
    EXPIRED = 20
    PAYMENT_NOT_FOUND = 24
    NOT_PERMITTED = 30
    MANDATE_NOT_FOUND = 31
    WRONG_STATE = 32
    MANDATE_ENDED = 33
    HOLD_EXPIRED = 34
    REQUEST_NOT_FOUND = 35
    EXCEEDS_HELD = 36
    REQUEST_ENDED = 37
    EXCEEDS_CAPTURED = 38
    PAYEE_NOT_FOUND = 40
    SAME_ACCOUNT = 50
    CURRENCY_MISMATCH = 60
    PAYER_FROZEN = 70
    PAYER_CLOSED = 80
    PAYEE_CLOSED = 90
    PAYMENT_LIMIT_EXCEEDED = 100
    MANDATE_USED = 104
    MANDATE_LIMIT_EXCEEDED = 106
    REQUEST_PAID = 107
    REQUEST_AMOUNT_MISMATCH = 108
    DAILY_LIMIT_EXCEEDED = 110
    COUPON_NOT_FOUND = 111
    COUPON_ENDED = 112
    COUPON_NOT_APPLICABLE = 113
    COUPON_USED = 114
    YEARLY_LIMIT_EXCEEDED = 115
    PAYEE_BALANCE_LIMIT_EXCEEDED = 120
    INSUFFICIENT_FUNDS = 130
    ISSUER_UNAVAILABLE = 140
    ISSUER_DECLINED = 150
    ISSUER_TIMEOUT = 160

    @property
    def wire(self) -> str:
        """The name on the wire."""
        return self.name.lower()
