"""Examples for the OpenAPI document: a metro, a bus, and a rider."""

from typing import Any

JWK = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
NETWORK_REQUEST: dict[str, Any] = {
    "account": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "currency": "CNY",
    "name": "City metro and bus",
    "day_begins": "04:00",
    "settle_minutes": 120,
    "liability_max": 5000,
}
NETWORK: dict[str, Any] = (
    {"id": "0192f0c7-1c22-7b63-9d6f-3c8b7e2a5e01"}
    | NETWORK_REQUEST
    | {"created_at": "2026-11-01T08:00:00.000000Z"}
)
FARES_REQUEST: dict[str, Any] = {
    "from_day": "2026-11-01",
    "stations": {"harbour": 0, "market": 0, "university": 1, "airport": 2},
    "prices": [[200, 300, 600], [300, 200, 400], [600, 400, 200]],
    "boarding_price": 200,
    "incomplete_price": 600,
    "ride_minutes_max": 180,
    "transfer_minutes": 60,
    "transfer_percent": 50,
    "classes": {
        "adult": {"percent": 100, "day_cap": 1200, "week_cap": 5000},
        "student": {"percent": 50, "day_cap": 600, "week_cap": None},
    },
}
FARES: dict[str, Any] = (
    {"id": "0192f0c7-77d1-7e44-8b0a-91f2c64e3e02", "network": NETWORK["id"]}
    | FARES_REQUEST
    | {"created_at": "2026-11-01T08:00:00.000000Z"}
)
NETWORK_NOW: dict[str, Any] = {"network": NETWORK, "fares": [FARES]}
GATE_REQUEST: dict[str, Any] = {"network": NETWORK["id"], "name": "Harbour 3", "public_key": JWK}
GATE: dict[str, Any] = (
    {"id": "0192f0c7-9f10-7a11-8c3d-5b2f7e6a1e03"}
    | GATE_REQUEST
    | {"created_at": "2026-11-01T08:00:00.000000Z", "closed_at": None}
)
CLOSED_GATE: dict[str, Any] = GATE | {"closed_at": "2026-11-02T08:00:00.000000Z"}
TOKEN_REQUEST: dict[str, Any] = {
    "network": NETWORK["id"],
    "mandate": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d06",
    "public_key": JWK,
    "rider_class": "adult",
    "not_after": "2027-11-01T00:00:00Z",
}
TOKEN: dict[str, Any] = {
    "id": "0192f0c7-b2c4-7d55-9e21-0c4d8f3b6e04",
    "network": NETWORK["id"],
    "public_key": JWK,
    "rider_class": "adult",
    "liability_max": 5000,
    "not_before": "2026-11-01T08:00:00.000000Z",
    "not_after": "2027-11-01T00:00:00.000000Z",
    "created_at": "2026-11-01T08:00:00.000000Z",
    "signed": "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJzd2l0Y2guZXhhbXBsZSJ9.c2lnbmF0dXJl",
}
TOKEN_NOW: dict[str, Any] = {
    "token": TOKEN,
    "mandate": TOKEN_REQUEST["mandate"],
    "currency": "CNY",
    "denied_for": None,
    "fares": 800,
    "due": 500,
    "paid": 500,
    "owed": 0,
}
ASK_AGAIN: dict[str, Any] = {"mandate": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d07"}
WEEK: dict[str, Any] = {
    "token": TOKEN["id"],
    "monday": "2026-11-02",
    "currency": "CNY",
    "days": [
        {
            "day": "2026-11-03",
            "rides": [
                {
                    "kind": "complete",
                    "began_at": "2026-11-03T00:10:00.000000Z",
                    "ended_at": "2026-11-03T00:32:00.000000Z",
                    "origin": "harbour",
                    "destination": "university",
                    "is_transfer": False,
                    "price": 300,
                }
            ],
            "fare": 300,
        }
    ],
    "fares": 300,
    "due": 300,
    "paid": 300,
}
TAPS_REQUEST: dict[str, Any] = {
    "taps": [
        {
            "gate": GATE["id"],
            "counter": 17,
            "token": TOKEN["id"],
            "station": "harbour",
            "direction": "in",
            "tapped_at": "2026-11-03T00:10:00Z",
            "rider_signature": "c" * 85 + "A",
            "gate_signature": "d" * 85 + "A",
        }
    ]
}
TAP_VERDICTS: dict[str, Any] = {
    "taken": 1,
    "known": 0,
    "refused": 0,
    "taps": [{"gate": GATE["id"], "counter": 17, "status": "taken", "reason": None}],
}
DENIAL: dict[str, Any] = {
    "number": 12,
    "token": TOKEN["id"],
    "is_denied": True,
    "reason": "debt",
    "changed_at": "2026-11-04T01:00:00.000000Z",
}
