"""The worked example of docs/services/transit.md."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from switch import keyfile
from switch.clock import rfc3339
from switch.key_message import published
from switch.keyfile import base64url
from switch.services.transit import tap
from switch.signature import raw_signature, signing_key
from tests.services.example import played
from tests.services.transit.metro import Metro, a_tuesday_ago, at

ACCOUNT = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
NETWORK = "0192f0c7-1c22-7b63-9d6f-3c8b7e2a5e01"
GATE = "0192f0c7-9f10-7a11-8c3d-5b2f7e6a1e03"
RIDES = "0192f0c7-b2c4-7d55-9e21-0c4d8f3b6e04"
MANDATE = "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d06"
GATE_KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RIDER_KEY = "wS0mBJMCmBkBJXXYmEbqMN3vLd7nqZGI7tJ3xHKTcZw"


async def test_the_worked_example_is_answered_as_the_page_says(metro: Metro) -> None:
    """A network, its fares and a gate, a rider, two taps and what they come to."""
    tapped_in = at(a_tuesday_ago(), 8, 10)
    tapped_out = tapped_in + timedelta(minutes=22)
    gate, rider = keyfile.generate_seed(), keyfile.generate_seed()
    real = {
        ACCOUNT: metro.payee,
        MANDATE: await metro.mandate(),
        GATE_KEY: published(keyfile.public_key(gate)).x,
        RIDER_KEY: published(keyfile.public_key(rider)).x,
        '"from_day":"2026-11-01"': '"from_day":"2020-01-01"',
        "2026-11-01T00:00:00.000000Z": "2020-01-01T00:00:00.000000Z",
        "2026-12-31T00:00:00.000000Z": rfc3339(datetime.now(UTC) + timedelta(days=60)),
        "2026-11-03T00:10:00.000000Z": rfc3339(tapped_in),
        "2026-11-03T00:32:00.000000Z": rfc3339(tapped_out),
        "2026-11-03": tapped_in.date().isoformat(),
    }
    async for path, reply in played(
        metro.town,
        "transit.md",
        real,
        lambda path: metro.wallet if "tokens" in path else metro.operator,
        steps=6,
        spends_no_key=("/v1/transit-taps",),
    ):
        if path == "/v1/transit-networks":
            real[NETWORK] = reply.json["id"]
        if path == "/v1/transit-gates":
            real[GATE] = reply.json["id"]
        if path == "/v1/transit-tokens":
            real[RIDES] = reply.json["id"]
            for counter, station, direction, moment in (
                (17, "harbour", "in", tapped_in), (18, "university", "out", tapped_out),
            ):  # fmt: skip
                said = tap.line(
                    gate=UUID(real[GATE]), counter=counter, token=UUID(real[RIDES]),
                    station=station, direction=direction, tapped_at=moment,
                )  # fmt: skip
                by_rider = base64url(raw_signature(said, signing_key("rider", rider)))
                both = tap.countersigned(said, by_rider)
                real[f"RIDER-{direction.upper()}"] = by_rider
                real[f"GATE-{direction.upper()}"] = base64url(
                    raw_signature(both, signing_key("gate", gate))
                )
