"""Examples for the OpenAPI document: an order of two coffees."""

from typing import Any

CHECKOUT_REQUEST: dict[str, Any] = {
    "payee": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "payee_name": "Corner Shop",
    "amount": 1250,
    "currency": "CNY",
    "reference": "order-4711",
    "description": "Two coffees",
    "valid_s": 900,
    "return_url": "https://shop.example/orders/4711",
}

CHECKOUT: dict[str, Any] = {
    "id": "0192f0c1-2d0e-7a11-b3c2-4e5f60718206",
    "participant": "corner-shop",
    "payee": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "payee_name": "Corner Shop",
    "amount": 1250,
    "amount_min": 1250,
    "currency": "CNY",
    "reference": "order-4711",
    "description": "Two coffees",
    "status": "open",
    "paid": 0,
    "url": "https://switch.example/pay/checkouts/0192f0c1-2d0e-7a11-b3c2-4e5f60718206",
    "return_url": "https://shop.example/orders/4711",
    "expires_at": "2026-11-01T08:15:00.000000Z",
    "cancelled_at": None,
    "created_at": "2026-11-01T08:00:00.000000Z",
}

PAID: dict[str, Any] = CHECKOUT | {"status": "paid", "paid": 1250}

CANCELLED: dict[str, Any] = CHECKOUT | {
    "status": "cancelled",
    "cancelled_at": "2026-11-01T08:05:00.000000Z",
}

PAGE_STATUS: dict[str, Any] = {
    "status": "paid",
    "text": "Paid. Thank you.",
    "return_url": "https://shop.example/orders/4711",
}
