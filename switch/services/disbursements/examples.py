"""Examples for the OpenAPI document: the pensions of a month."""

from typing import Any

REQUEST: dict[str, Any] = {
    "payer": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "currency": "CNY",
    "count": 2,
    "total": 530000,
    "purpose": "Pensions of November",
}
CREATED: dict[str, Any] = {
    "disbursement": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05",
    "act": "create",
    "part": None,
    "lines": None,
    "status": "draft",
    "idempotency_key": "pensions-11",
    "at": "2026-11-01T08:00:00.000000Z",
}
_LINES = (
    (1, "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01", 250000, "P-1001"),
    (2, "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e02", 280000, "P-1002"),
)
PART = {
    "text/csv": "line,account,amount,reference\n"
    + "".join(
        f"{line},{account},{amount},{reference}\n" for line, account, amount, reference in _LINES
    ),
    "application/x-ndjson": "".join(
        f'{{"line":{line},"account":"{account}","amount":{amount},"reference":"{reference}"}}\n'
        for line, account, amount, reference in _LINES
    ),
}
ADDED: dict[str, Any] = CREATED | {"act": "part", "part": 1, "lines": 2}
ACTED: dict[str, Any] = CREATED | {"status": "paying"}
DISBURSEMENT: dict[str, Any] = {
    "id": CREATED["disbursement"],
    "participant": "pension-office",
    "payer": REQUEST["payer"],
    "currency": "CNY",
    "purpose": "Pensions of November",
    "count": 2,
    "total": 530000,
    "status": "done",
    "reason": None,
    "given": 2,
    "given_total": 530000,
    "paid": 2,
    "paid_total": 530000,
    "declined": 0,
    "left": 0,
    "percent": 100.0,
    "payouts_per_second": 412.5,
    "seconds_left": None,
    "created_at": "2026-11-01T08:00:00.000000Z",
}
RESULT: dict[str, Any] = {
    "position": "1.1",
    "line": 1,
    "account": _LINES[0][1],
    "amount": 250000,
    "reference": "P-1001",
    "payment": "0192f0c5-77d1-7e44-8b0a-91f2c64e3a11",
    "reason": None,
}
