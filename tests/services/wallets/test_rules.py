"""Classes, phone numbers and masked names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.errors import Problem
from switch.services.wallets import rules


@pytest.mark.parametrize(
    "text",
    ["+86 139 1234 5678", "+8613912345678", "+86 (139) 1234-5678"],
)
def test_a_number_has_one_form(text: str) -> None:
    """However it is written, the same phone is the same text."""
    assert rules.phone_number(text) == "+8613912345678"


@pytest.mark.parametrize(
    "text", ["+49 30 901820", "+852 2123 4567", "+1 202 456 1111"], ids=["de", "hk", "us"]
)
def test_a_number_may_be_of_any_country(text: str) -> None:
    """A visitor keeps the number of home."""
    found = rules.phone_number(text)
    assert isinstance(found, str)
    assert found == "+" + "".join(c for c in text if c.isdigit())


@pytest.mark.parametrize(
    "text",
    ["", "+", "13912345678", "+86 1", "+999 123456789", "+86 139 1234 5678 ext. 9", "+" + "8" * 40,
     "\N{FULLWIDTH PLUS SIGN}8613912345678", "+86 139 1234 567\N{ARABIC-INDIC DIGIT EIGHT}"],
    ids=["empty", "plus", "no country", "short", "no such country", "extension", "long", "wide",
         "other digits"],
)  # fmt: skip
def test_what_is_no_number_is_refused_and_not_repeated(text: str) -> None:
    """The refusal names the field and the form; what was sent stands nowhere in it."""
    refusal = rules.phone_number(text)
    assert isinstance(refusal, Problem)
    assert refusal.field == "phone"
    assert len(text) < 6 or text not in refusal.detail


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_a_refusal(text: str) -> None:
    """No text breaks the reader, and what it makes of one reads as itself again."""
    found = rules.phone_number(text)
    if isinstance(found, str):
        assert rules.phone_number(found) == found


def test_each_class_needs_what_the_one_below_needs_and_more() -> None:
    """Upwards a person is known better; class 4 knows nothing of anybody."""
    assert rules.CLASSES == (1, 2, 3, 4)
    assert rules.missing_for(4, frozenset()) == ()
    assert rules.missing_for(3, frozenset()) == ("phone",)
    assert rules.missing_for(2, frozenset({"phone"})) == ("document", "name")
    assert rules.missing_for(1, rules.NEEDS[2]) == ("checked_in_person",)


@pytest.mark.parametrize("wallet_class", rules.CLASSES)
def test_a_wallet_is_upgraded_upwards_only(wallet_class: int) -> None:
    """To a smaller number that is a class."""
    ups = [wanted for wanted in rules.CLASSES if wallet_class in rules.below(wanted)]
    assert ups == list(range(1, wallet_class))


@given(st.text(max_size=100))
def test_a_mask_tells_one_letter(name: str) -> None:
    """The first letter, and the same stars whatever the length."""
    masked = rules.masked_name(name)
    assert masked.endswith("**")
    assert len(masked) <= 3
    assert masked[:-2] == name.strip()[:1]
