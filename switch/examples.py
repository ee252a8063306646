"""Examples for the OpenAPI document: one small purchase, seen from every endpoint."""

from typing import Any

_WALLET = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
_SHOP = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
_PAYMENT_ID = "0192f0c2-7b40-7d31-a1c4-0f3b2d9c8e03"

PAYMENT_REQUEST: dict[str, Any] = {
    "type": "purchase",
    "payer": _WALLET,
    "payee": _SHOP,
    "amount": 1250,
    "currency": "CNY",
    "reference": "order-4711",
    "description": "Two coffees",
    "metadata": {"till": "3"},
}

PAYMENT: dict[str, Any] = {
    "id": _PAYMENT_ID,
    "idempotency_key": "order-4711-1",
    "request_digest": "sha-256=:x9sVsU2Zzgr1NnSSW3CyA1k9fQ4d8s1bqQnZqsyO5H4=:",
    "participant": "blue-wallet",
    "type": "purchase",
    "payer": _WALLET,
    "mandate": None,
    "payee": _SHOP,
    "request": None,
    "amount": 1250,
    "currency": "CNY",
    "capture": True,
    "hold_seconds": None,
    "expires_at": None,
    "reference": "order-4711",
    "payee_reference": None,
    "description": "Two coffees",
    "metadata": {"till": "3"},
    "status": "completed",
    "reason": None,
    "amount_held": 0,
    "amount_captured": 1250,
    "amount_voided": 0,
    "amount_refunded": 0,
    "hold_expires_at": None,
    "created_at": "2026-11-01T08:00:00.000000Z",
}

PAYABLE_REQUEST: dict[str, Any] = {
    "id": "0192f0c1-2d0e-7a11-b3c2-4e5f60718206",
    "participant": "corner-shop",
    "payee": _SHOP,
    "payee_name": "Corner Shop",
    "currency": "CNY",
    "amount_left": 1250,
    "amount_min": 1250,
    "late_fee": None,
    "late_at": None,
    "not_after": "2026-11-01T08:15:00.000000Z",
    "status": "open",
}

BARRED: dict[str, Any] = {
    **dict.fromkeys(PAYMENT),
    **{name: PAYMENT[name] for name in ("id", "idempotency_key", "request_digest", "participant")},
    "status": "declined",
    "reason": "barred",
    "amount_held": 0,
    "amount_captured": 0,
    "amount_voided": 0,
    "amount_refunded": 0,
    "created_at": "2026-11-01T08:00:05.000000Z",
}

STEP: dict[str, Any] = {
    "id": "0192f0c3-9d11-7a52-8c5e-2b7a6d1f4c04",
    "parent": _PAYMENT_ID,
    "idempotency_key": "order-4711-2",
    "request_digest": "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:",
    "participant": "corner-shop",
    "type": "capture",
    "payer": _WALLET,
    "payee": _SHOP,
    "amount": 1250,
    "currency": "CNY",
    "final": False,
    "status": "completed",
    "reason": None,
    "created_at": "2026-11-01T08:05:00.000000Z",
}

# By the kind of step: what is asked for, and what is answered.
STEP_REQUESTS: dict[str, dict[str, Any]] = {
    "capture": {"amount": 1250, "final": False},
    "void": {},
    "refund": {"amount": 250},
}
STEPS: dict[str, dict[str, Any]] = {
    "capture": STEP,
    "void": STEP | {"type": "void", "final": None},
    "refund": STEP
    | {"type": "refund", "payer": _SHOP, "payee": _WALLET, "amount": 250, "final": None},
}

# What a bank has to decide, and has not decided yet.
PENDING_PAYMENT: dict[str, Any] = PAYMENT | {"status": "pending", "amount_captured": 0}
PENDING_REFUND: dict[str, Any] = STEPS["refund"] | {"status": "pending"}

EVENT_PAGE: dict[str, Any] = {
    "data": [
        {
            "id": f"{_PAYMENT_ID}.1",
            "number": 17,
            "type": "payment.completed",
            "occurred_at": "2026-11-01T08:00:00.000000Z",
            "payment": PAYMENT,
            "step": None,
            "key": None,
        }
    ],
    "has_more": False,
    "next_after": "17",
}

BATCH_REQUEST: dict[str, Any] = {
    "payments": [
        {"idempotency_key": "order-4711-1", "payment": PAYMENT_REQUEST},
        {"idempotency_key": "order-4712-1", "payment": PAYMENT_REQUEST | {"currency": "ABC"}},
    ]
}

BATCH_ANSWER: dict[str, Any] = {
    "answers": [
        {"idempotency_key": "order-4711-1", "status": 201, "replayed": False, "body": PAYMENT},
        {
            "idempotency_key": "order-4712-1",
            "status": 400,
            "replayed": False,
            "body": {
                "type": "urn:switch:problem:malformed-message",
                "title": "The message breaks a rule of the contract",
                "status": 400,
                "detail": "`ABC` is not a currency of ISO 4217.",
                "field": "currency",
            },
        },
    ]
}

TIMELINE: dict[str, Any] = {
    "payment": _PAYMENT_ID,
    "is_complete": True,
    "entries": [
        {
            "at": "2026-11-01T07:59:59.992000Z",
            "what": "received",
            "id": _PAYMENT_ID,
            "type": "purchase",
            "participant": "blue-wallet",
            "idempotency_key": "order-4711-1",
            "key_id": "blue-wallet/2026-11",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "span_id": "d75597dee50b0cac",
        },
        {
            "at": "2026-11-01T08:00:00.000000Z",
            "what": "decided",
            "id": _PAYMENT_ID,
            "type": "purchase",
            "queue_us": 310,
            "work_us": 2270,
            "status": "completed",
            "amount": 1250,
            "currency": "CNY",
        },
        {
            "at": "2026-11-01T08:00:00.000000Z",
            "what": "debited",
            "id": _PAYMENT_ID,
            "amount": 1250,
            "currency": "CNY",
            "account": _WALLET,
            "posting": 7,
            "item": 1,
            "balance_after": 48750,
        },
        {
            "at": "2026-11-01T08:00:00.084000Z",
            "what": "told",
            "id": _PAYMENT_ID,
            "participant": "blue-wallet",
            "event": "payment.completed",
            "number": 17,
        },
    ],
}

ACCOUNT_REQUEST: dict[str, Any] = {"currency": "CNY", "kind": "wallet", "reference": "customer-17"}

ACCOUNT: dict[str, Any] = {
    "id": _WALLET,
    "participant": "blue-wallet",
    "kind": "wallet",
    "currency": "CNY",
    "status": "open",
    "frozen_by": None,
    "reference": "customer-17",
    "tier": "standard",
    "balance": 50000,
    "held": 0,
    "available": 50000,
    "floor": 0,
    "limits": {
        "payment_limit": 500000,
        "daily_limit": 1000000,
        "daily_left": 998750,
        "yearly_limit": None,
        "yearly_left": None,
        "balance_limit": None,
    },
    "created_at": "2026-10-01T08:00:00.000000Z",
}

ACCOUNT_OPERATION: dict[str, Any] = {
    "account": _WALLET,
    "operation": "freeze",
    "status": "frozen",
    "frozen_by": "participant",
    "reason": None,
    "idempotency_key": "lost-phone-17",
    "decided_at": "2026-11-01T08:00:00.000000Z",
}

ENTRY: dict[str, Any] = {
    "account": _WALLET,
    "posting": 7,
    "item": 1,
    "direction": "debit",
    "amount": 1250,
    "currency": "CNY",
    "balance_after": 48750,
    "payment": _PAYMENT_ID,
    "type": "purchase",
    "counterparty": _SHOP,
    "reference": "order-4711",
    "payee_reference": None,
    "posted_at": "2026-11-01T08:00:00.000000Z",
}

# What a bank is asked about an account of its own, and what it answers.
AUTHORIZATION: dict[str, Any] = {
    "payment": _PAYMENT_ID,
    "type": "purchase",
    "account": _WALLET,
    "account_reference": "6222-0017",
    "payee": _SHOP,
    "amount": 1250,
    "currency": "CNY",
    "capture": False,
    "hold_expires_at": "2026-11-08T08:00:00.000000Z",
    "reference": "order-4711",
    "payee_reference": None,
    "description": "Two coffees",
    "created_at": "2026-11-01T08:00:00.000000Z",
    "deadline": "2026-11-01T08:00:30.000000Z",
}

CREDIT: dict[str, Any] = {
    "payment": "0192f0c3-9d11-7a52-8c5e-2b7a6d1f4c04",
    "parent": _PAYMENT_ID,
    "type": "refund",
    "account": _WALLET,
    "account_reference": "6222-0017",
    "payer": _SHOP,
    "amount": 250,
    "currency": "CNY",
    "reference": None,
    "payee_reference": None,
    "description": None,
    "created_at": "2026-11-01T08:10:00.000000Z",
}

REVERSAL: dict[str, Any] = {
    "payment": _PAYMENT_ID,
    "account": _WALLET,
    "account_reference": "6222-0017",
    "amount": 1250,
    "currency": "CNY",
    "reason": "issuer_timeout",
    "created_at": "2026-11-01T08:00:30.000000Z",
}

BANK_ANSWER: dict[str, Any] = {
    "payment": _PAYMENT_ID,
    "decision": "approved",
    "amount": 1250,
    "currency": "CNY",
    "reason": None,
}

# The receipt of the payment above, as `switch.example.org` issues it with `switch/2026-11` of
# docs/INTEGRATING.md.
RECEIPT = (
    "eyJhbGciOiJFZERTQSIsImtpZCI6InN3aXRjaC8yMDI2LTExIiwidHlwIjoicGF5bWVudC1yZWNlaXB0K2p3dCJ9"
    ".eyJpc3MiOiJzd2l0Y2guZXhhbXBsZS5vcmciLCJpYXQiOjE3OTM1MjAwMDAsImlkIjoiMDE5MmYwYzItN2I0MC0"
    "3ZDMxLWExYzQtMGYzYjJkOWM4ZTAzIiwiaWRlbXBvdGVuY3lfa2V5Ijoib3JkZXItNDcxMS0xIiwicmVxdWVzdF9"
    "kaWdlc3QiOiJzaGEtMjU2PTp4OXNWc1UyWnpncjFOblNTVzNDeUExazlmUTRkOHMxYnFRblpxc3lPNUg0PToiLCJ"
    "wYXJ0aWNpcGFudCI6ImJsdWUtd2FsbGV0IiwidHlwZSI6InB1cmNoYXNlIiwicGF5ZXIiOiIwMTkyZjBjMS01YTN"
    "lLTdjYzAtOGExMS01ZDBjM2E5ZjFlMDEiLCJwYXllZSI6IjAxOTJmMGMxLTVhM2UtN2NjMC05YjIyLTZlMWQ0YmF"
    "lMmYwMiIsImFtb3VudCI6MTI1MCwiY3VycmVuY3kiOiJDTlkiLCJzdGF0dXMiOiJjb21wbGV0ZWQiLCJyZWFzb24"
    "iOm51bGwsImNyZWF0ZWRfYXQiOiIyMDI2LTExLTAxVDA4OjAwOjAwLjAwMDAwMFoifQ"
    ".mo5aLqTa4UbkAQB6p04AjKRVIBPUivv-Ox4vgfQavsIYPKFLaSXp93OdKoN6F-EKRlan-dzhQGr5F-GXO1WnCw"
)

_PUBLIC_KEY = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}

KEY_REQUEST: dict[str, Any] = {
    "name": "2027-11",
    "public_key": _PUBLIC_KEY,
    "not_after": "2028-12-01T00:00:00Z",
}

KEY_INTRODUCED: dict[str, Any] = {
    "id": "blue-wallet/2027-11",
    "name": "2027-11",
    "public_key": _PUBLIC_KEY,
    "not_before": "2027-11-01T08:00:00.000000Z",
    "not_after": "2028-12-01T00:00:00.000000Z",
    "introduced_by": "blue-wallet/2026-11",
    "confirmed_at": None,
    "revoked_at": None,
    "last_used_at": None,
    "created_at": "2027-11-01T08:00:00.000000Z",
}

KEY: dict[str, Any] = KEY_INTRODUCED | {
    "confirmed_at": "2027-11-02T02:00:00.000000Z",
    "last_used_at": "2027-11-03T09:30:00.000000Z",
}

KEY_OPERATION: dict[str, Any] = {
    "key": "blue-wallet/2026-11",
    "operation": "revoke",
    "revoked": ["blue-wallet/2026-11"],
    "idempotency_key": "revoke-2026-11",
    "decided_at": "2027-11-04T08:00:00.000000Z",
}
