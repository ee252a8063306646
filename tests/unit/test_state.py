"""The table of a payment's life, as the code and as the documents have it."""

import re
from pathlib import Path

import pytest

from switch.message import PaymentType
from switch.state import CAPTURE, EXPIRY, REFUND, TRANSITIONS, VOID, payment_status

OUTCOMES = Path(__file__).parents[2] / "docs" / "OUTCOMES.md"
COLUMNS = {"capture": CAPTURE, "void": VOID, "the hold expires": EXPIRY, "refund": REFUND}


def _documented() -> dict[str, dict[str, frozenset[str]]]:
    """The table under "The life of a payment", without its empty cells."""
    chapter = OUTCOMES.read_text().split("# The life of a payment\n")[1]
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in chapter.splitlines()
        if line.startswith("|")
    ]
    [_, *steps], _, *body = rows
    return {
        status.strip("`"): {
            COLUMNS[step]: frozenset(re.findall("`([a-z_]+)`", cell))
            for step, cell in zip(steps, cells, strict=True)
            if cell
        }
        for status, *cells in body
    }


def test_the_table_is_the_documented_one() -> None:
    """docs/OUTCOMES.md and switch/state.py say the same of every status and every step."""
    assert _documented() == {status: dict(steps) for status, steps in TRANSITIONS.items()}


def test_a_step_leads_to_a_status_of_the_table() -> None:
    """Nothing ends where no row goes on."""
    for steps in TRANSITIONS.values():
        assert set(steps) <= {*COLUMNS.values()}
        for afterwards in steps.values():
            assert afterwards <= set(TRANSITIONS)
    assert {CAPTURE, VOID, REFUND} <= {kind.wire for kind in PaymentType}


@pytest.mark.parametrize(
    ("amounts", "is_held", "was_held", "status"),
    [
        ((0, 0, 0), True, True, "held"),
        ((40, 0, 0), True, True, "partially_captured"),
        ((100, 0, 0), False, True, "captured"),
        ((40, 60, 0), False, True, "captured"),
        ((0, 100, 0), False, True, "voided"),
        ((0, 0, 0), False, True, "expired"),
        ((100, 0, 0), False, False, "completed"),
        ((100, 0, 40), False, False, "partially_refunded"),
        ((40, 0, 40), True, True, "partially_refunded"),
        ((100, 0, 100), False, False, "refunded"),
    ],
)
def test_status_of_amounts(
    amounts: tuple[int, int, int], is_held: bool, was_held: bool, status: str
) -> None:
    """What was captured, voided and refunded of a payment of 100 says what it is now."""
    captured, voided, refunded = amounts
    assert status == payment_status(
        captured=captured, voided=voided, refunded=refunded, is_held=is_held, was_held=was_held
    )
