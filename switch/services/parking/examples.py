"""Examples for the OpenAPI document: a car park at a harbour."""

from typing import Any

SITE_REQUEST: dict[str, Any] = {
    "account": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "currency": "CNY",
    "name": "Harbour car park",
    "free_minutes": 15,
    "unit_minutes": 30,
    "unit_price": 400,
    "day_max": 4000,
    "hold_amount": 4000,
    "hold_seconds": 86400,
}
SITE: dict[str, Any] = SITE_REQUEST | {
    "id": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05",
    "created_at": "2026-11-01T08:00:00.000000Z",
}
ENTRY: dict[str, Any] = {
    "site": SITE["id"],
    "mandate": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d06",
    "entered_at": "2026-11-01T09:00:00Z",
}
ENTERED: dict[str, Any] = {
    "id": "0192f0c5-77d1-7e44-8b0a-91f2c64e3a11",
    "site": SITE["id"],
    "mandate": ENTRY["mandate"],
    "status": "open",
    "reason": None,
    "entered_at": "2026-11-01T09:00:00.000000Z",
    "left_at": None,
    "fee": None,
    "paid": None,
    "owed": None,
    "created_at": "2026-11-01T09:00:00.120000Z",
}
EXIT: dict[str, Any] = {"left_at": "2026-11-01T10:10:00Z"}
LEFT: dict[str, Any] = ENTERED | {
    "status": "left",
    "left_at": "2026-11-01T10:10:00.000000Z",
    "fee": 1200,
    "paid": 1200,
    "owed": 0,
}
STAY: dict[str, Any] = {"stay": LEFT, "holds": ["0192f0c5-77d1-7e44-8b0a-91f2c64e3a12"]}
