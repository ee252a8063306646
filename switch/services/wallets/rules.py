"""What makes a wallet: its classes and what each must know of a person, phone numbers and masks.

Computed from arguments alone. The classes are those of a pilot: class 4 is anonymous, and the
better a person is known, the more the wallet may hold and spend. What a class may do is a tier of
the ledger, named after it; what it must know is the table below.
"""

from typing import Final

import phonenumbers

from switch.errors import Problem
from switch.message import malformed
from switch.services.wallets import limits

# Class → what its holder must have told; each needs all that the class below it needs.
NEEDS: Final[dict[int, frozenset[str]]] = {
    4: frozenset(),
    3: frozenset({"phone"}),
    2: frozenset({"phone", "name", "document"}),
    1: frozenset({"phone", "name", "document", "checked_in_person"}),
}
CLASSES = tuple(sorted(NEEDS))
# Class → limits for a pilot in yuan, after the four classes of the e-CNY pilot; the best has none.
PILOT: Final[dict[int, tuple[int | None, ...]]] = {  # of a balance, a payment, a day, a year
    4: (10_000, 2_000, 5_000, 50_000),
    3: (20_000, 5_000, 10_000, None),
    2: (500_000, 50_000, 100_000, None),
    1: (None, None, None, None),
}
ANONYMOUS = max(CLASSES)

assert all(NEEDS[better] > NEEDS[better + 1] for better in CLASSES[:-1]), "each knows more"


def tier_of(wallet_class: int) -> str:
    """The tier of the ledger that holds the limits of a class."""
    assert wallet_class in NEEDS, "a class is one of the table"
    return f"wallet-class-{wallet_class}"


def missing_for(wallet_class: int, known: frozenset[str]) -> tuple[str, ...]:
    """What is not known of a person and has to be, for this class; in the order of the alphabet."""
    return tuple(sorted(NEEDS[wallet_class] - known))


def below(wallet_class: int) -> tuple[int, ...]:
    """The classes from which this one is a way up: those of a greater number."""
    return tuple(number for number in CLASSES if number > wallet_class)


def phone_number(text: str) -> str | Problem:
    """A phone number of any country in the one form of E.164: `+`, country, number.

    The text has to begin with `+` and the country's code, for a number without it means another
    person in another country; blanks, brackets and hyphens do not matter. Problem: it cannot be a
    number of that country. It is never quoted: who sent it knows it, and nobody else shall.
    """
    if len(text) > limits.PHONE_CHARS_MAX or not text.startswith("+") or not text.isascii():
        return _not_a_phone_number()
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return _not_a_phone_number()
    if number.extension or not phonenumbers.is_valid_number(number):
        return _not_a_phone_number()
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _not_a_phone_number() -> Problem:
    return malformed(
        "Expected a phone number with its country: `+`, the country's code, the number, and no"
        " extension, like +86 139 1234 5678.",
        "phone",
    )


def masked_name(name: str) -> str:
    """A name that its bearer's friends recognise and nobody else learns: the first letter, stars.

    As many stars whatever the length, for a length tells names apart.
    """
    first = name.strip()[:1]
    return f"{first}**" if first else "**"
