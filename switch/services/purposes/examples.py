"""Examples for the OpenAPI document: an allowance for school meals."""

from typing import Any

PURPOSE_REQUEST: dict[str, Any] = {
    "account": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "name": "School meals 2026",
    "categories": ["5812", "5814"],
    "weekdays": [1, 2, 3, 4, 5],
    "from_time": "10:00",
    "until_time": "15:00",
    "not_after": "2026-12-31T16:00:00Z",
}
PURPOSE: dict[str, Any] = {
    "id": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05",
    "account": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "currency": "CNY",
    "name": "School meals 2026",
    "categories": ["5812", "5814"],
    "districts": None,
    "weekdays": [1, 2, 3, 4, 5],
    "from_time": "10:00",
    "until_time": "15:00",
    "not_after": "2026-12-31T16:00:00.000000Z",
    "created_at": "2026-11-01T08:00:00.000000Z",
}
PURSE_REQUEST: dict[str, Any] = {
    "purpose": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05",
    "wallet": "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01",
}
PURSE: dict[str, Any] = {
    "id": "0192f0c5-77d1-7e44-8b0a-91f2c64e3a11",
    "wallet": "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01",
    "purpose": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05",
    "not_after": "2026-12-31T16:00:00.000000Z",
}
PURSE_NOW: dict[str, Any] = {
    "id": PURSE["id"],
    "wallet": PURSE["wallet"],
    "balance": 12000,
    "not_after": PURSE["not_after"],
    "purpose": PURPOSE,
}
