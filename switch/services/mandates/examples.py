"""Examples for the OpenAPI document: a gym that takes its monthly fee from a wallet."""

from typing import Any

MANDATE_REQUEST: dict[str, Any] = {
    "payer": "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01",
    "payee": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "purpose": "Membership 17",
    "payment_limit": 3000,
    "monthly_limit": 5000,
    "not_after": "2027-11-01T00:00:00Z",
}

MANDATE: dict[str, Any] = {
    "id": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05",
    "participant": "blue-wallet",
    "payer": "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01",
    "payee": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "currency": "CNY",
    "purpose": "Membership 17",
    "payment_limit": 3000,
    "daily_limit": None,
    "monthly_limit": 5000,
    "uses_max": None,
    "not_before": "2026-11-01T08:00:00.000000Z",
    "not_after": "2027-11-01T00:00:00.000000Z",
    "status": "active",
    "uses": 0,
    "spent_today": 0,
    "spent_this_month": 0,
    "revoked_at": None,
    "created_at": "2026-11-01T08:00:00.000000Z",
}

USED: dict[str, Any] = MANDATE | {"uses": 3, "spent_today": 3000, "spent_this_month": 3000}

REVOKED: dict[str, Any] = MANDATE | {
    "status": "revoked",
    "uses": 3,
    "spent_today": None,
    "spent_this_month": None,
    "revoked_at": "2027-02-03T08:00:00.000000Z",
}
