"""A decoder of others, the npm package emvqr, finds in our codes what was asked for."""

from pathlib import Path
from typing import Any

import pytest

from switch.services.codes.message import CodeRequest, payload_of
from tests.integration import node
from tests.services.codes.encoder import sealed
from tests.services.codes.samples import BEST_TRANSPORT
from tests.services.codes.test_rules import asked

NPM_FOLDER = Path(__file__).parent / "npm"

# What is asked for, and what the other decoder finds, by tag; it adds names to some values.
CASES: tuple[tuple[dict[str, Any], str, dict[str, Any]], ...] = (
    (
        {"tip": {"kind": "percentage", "basis_points": 1250}, "postal_code": "266000"},
        "CNY",
        {
            "00": "01", "01": "12", "52": "5812 (", "53": "156 (CNY)", "54": "12.50", "55": "03",
            "57": "12.50", "58": "CN (China)", "59": "Corner Shop", "60": "Qingdao",
            "61": "266000", "62": {"01": "4711", "07": "till-3"},
            "64": "0002zh0104街角小店0202青岛",
        },
    ),
    (
        {
            "amount": None, "tip": {"kind": "fixed", "amount": 5}, "language": None,
            "store_label": "hall 2", "reference_label": "R-1", "country": "JP",
        },
        "JPY",
        {
            "00": "01", "01": "11", "53": "392 (JPY)", "54": None, "55": "02", "56": "5",
            "57": None, "58": "JP (Japan)", "61": None, "64": None,
            "62": {"01": "4711", "03": "hall 2", "05": "R-1", "07": "till-3"},
        },
    ),
    (
        {"amount": 1, "initiation": "static", "tip": None, "country": "KW", "bill_number": None,
         "terminal_label": None},
        "KWD",
        {"01": "11", "53": "414 (KWD)", "54": "0.001", "55": None, "58": "KW (Kuwait)", "62": None},
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, installed from its lock file."""
    folder = tmp_path_factory.mktemp("emvqr")
    node.install(folder, NPM_FOLDER)
    return folder


def payload(changes: dict[str, Any], currency: str) -> str:
    """A code of ours."""
    request = asked(**changes)
    assert isinstance(request, CodeRequest), request
    text = payload_of(request, currency)
    assert isinstance(text, str), text
    return text


def test_it_reads_our_codes_to_the_same_fields(decoder: Path) -> None:
    """Tag by tag, our own account included, and the checksum is right for it."""
    texts = [payload(changes, currency) for changes, currency, _ in CASES]
    found = node.run(decoder, "decode.mjs", [*texts, BEST_TRANSPORT])
    for (_, _, expected), answer in zip(CASES, found, strict=False):
        for tag, value in expected.items():
            shown = answer["values"].get(tag)
            agrees = shown.startswith(value) if tag == "52" else shown == value
            assert agrees, f"{tag}: {shown} for {value}"
        account = {"00": "68ffc5d3dc1c4eae9c9710a982010ec5"}
        account["01"] = "0192f0c15a3e7cc09b226e1d4bae2f02"
        assert answer["values"]["26"] == account
    assert found[-1]["values"]["54"] == "23.72"


def test_it_refuses_our_codes_when_they_were_changed(decoder: Path) -> None:
    """The checksum is the same for both: one digit more of money and it does not fit."""
    text = payload({}, "CNY")
    changed = text.replace("540512.50", "540592.50")
    assert changed != text
    first, second = node.run(decoder, "decode.mjs", [changed, sealed(changed[:-8])])
    assert first == {"fault": "checksum validation failed."}
    assert second["values"]["54"] == "92.50"
