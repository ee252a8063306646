"""What the ledger's rows say of messages about purses, coupons and their like; `reads` asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from switch.fund import Fund, as_campaign, as_coupon, as_purpose, as_purse
from switch.ledger import Disposition
from switch.message import Made


@dataclass(frozen=True, slots=True, kw_only=True)
class FundVerdict:
    """What a key was spent on, where that is a purpose, a purse, a campaign or a coupon.

    Or something that a service keeps.
    """

    disposition: Disposition
    answer: Fund | Made


def fund_answer(row: Mapping[str, Any], disposition: Disposition) -> FundVerdict:
    """From the columns of whichever it is; the others are null."""
    answer: Fund
    if is_there(row["purpose"]):
        answer = as_purpose(row["purpose"])
    elif is_there(row["purse"]):
        answer = as_purse(row["purse"])
    elif is_there(row["campaign"]):
        answer = as_campaign(row["campaign"])
    else:
        answer = as_coupon(row["coupon"])
    return FundVerdict(disposition=disposition, answer=answer)


def is_there(row: Mapping[str, Any] | None) -> bool:
    """Whether a composite is one: Postgres returns one of nulls for none."""
    return row is not None and row["id"] is not None
