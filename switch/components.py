"""The signature base of RFC 9421: covered components, their values, and structured fields."""

from typing import Protocol


class FieldLines(Protocol):
    """Header fields by name in any case; aiohttp's multidicts fit."""

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """All lines of one field in their order, or the default when there is none."""
        ...
