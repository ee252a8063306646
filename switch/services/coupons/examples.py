"""Examples for the OpenAPI document: a festival that takes a tenth off."""

from typing import Any

CAMPAIGN_REQUEST: dict[str, Any] = {
    "account": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "name": "Beer festival",
    "parts_per_million": 100000,
    "discount_max": 2000,
    "amount_min": 5000,
    "uses_max": 2,
    "coupons_max": 1000,
    "districts": ["shinan"],
    "not_after": "2026-12-31T16:00:00Z",
}
CAMPAIGN: dict[str, Any] = {
    "id": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05",
    "account": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "currency": "CNY",
    "name": "Beer festival",
    "discount": None,
    "parts_per_million": 100000,
    "discount_max": 2000,
    "amount_min": 5000,
    "uses_max": 2,
    "coupons_max": 1000,
    "categories": None,
    "districts": ["shinan"],
    "not_before": "2026-11-01T08:00:00.000000Z",
    "not_after": "2026-12-31T16:00:00.000000Z",
    "created_at": "2026-11-01T08:00:00.000000Z",
}
COUPON_REQUEST: dict[str, Any] = {
    "campaign": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05",
    "account": "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01",
}
COUPON: dict[str, Any] = {
    "id": "0192f0c5-77d1-7e44-8b0a-91f2c64e3a11",
    "campaign": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05",
    "account": "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01",
    "uses_max": 2,
    "created_at": "2026-11-01T09:00:00.000000Z",
}
COUPON_NOW: dict[str, Any] = {"id": COUPON["id"], "uses": 1, "campaign": CAMPAIGN}
