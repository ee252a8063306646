"""Examples for the OpenAPI document: red packets of a New Year."""

from typing import Any

OFFER_REQUEST: dict[str, Any] = {
    "purpose": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05",
    "amount": 20000,
    "count": 50000,
    "draw_at": "2027-01-01T04:00:00Z",
}
OFFER: dict[str, Any] = {
    "id": "0192f0c8-1c22-7b63-9d6f-3c8b7e2a5f01",
    "purpose": OFFER_REQUEST["purpose"],
    "currency": "CNY",
    "amount": 20000,
    "count": 50000,
    "draw_at": "2027-01-01T04:00:00.000000Z",
    "seed_digest": "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925",
    "not_after": "2027-02-01T00:00:00.000000Z",
    "created_at": "2026-12-20T08:00:00.000000Z",
}
OFFER_NOW: dict[str, Any] = {
    "offer": OFFER,
    "entries": 812345,
    "won": 50000,
    "drawn_at": "2027-01-01T04:00:00.350000Z",
    "seed": "00" * 32,
}
ENTRY_REQUEST: dict[str, Any] = {"wallet": "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"}
ENTRY: dict[str, Any] = {
    "id": "0192f0c8-77d1-7e44-8b0a-91f2c64e3f02",
    "offer": OFFER["id"],
    "wallet": ENTRY_REQUEST["wallet"],
    "status": "waiting",
    "created_at": "2026-12-21T08:00:00.000000Z",
}
ENTRY_NOW: dict[str, Any] = {
    "entry": ENTRY,
    "status": "given",
    "purse": "0192f0c8-9f10-7a11-8c3d-5b2f7e6a1f03",
    "payment": "0192f0c8-b2c4-7d55-9e21-0c4d8f3b6f04",
    "reason": None,
}
LOT: dict[str, Any] = {"id": ENTRY["id"], "status": "given", "lot": "0a" * 32}
