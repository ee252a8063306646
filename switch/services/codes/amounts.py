"""Amounts as codes write them, decimal text, to and from integers of minor units. No floats.

EMV QRCPS MPM 1.1 (ids 54, 56 and 57): digits, at most one `.` with at least one digit before it,
behind it as many digits as the currency has.
"""


def decimal_text(units: int, digits: int, chars_max: int) -> str:
    """An integer of the smallest unit with `digits` digits behind the point: 1250, 2 is `12.50`.

    Noughts behind the point are left out only where there would be too many characters; what is
    too long even then is refused by whoever reads the code.
    """
    assert units >= 0, "an amount in a code has no sign"
    whole, part = divmod(units, 10**digits)
    text = f"{whole}.{part:0{digits}}" if digits else str(whole)
    return text if part or len(text) <= chars_max else str(whole)


def smallest_units(text: str, digits: int) -> int | None:
    """The integer that a decimal text of this form means exactly, None where it has more digits.

    Fewer digits are as good (`12.5` is 1250), and further noughts change nothing (`12.500`).
    """
    whole, _, part = text.partition(".")
    if part[digits:].strip("0"):
        return None
    return int(whole + part[:digits].ljust(digits, "0"))
