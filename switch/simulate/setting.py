"""What every simulated participant is told: where it listens, who it is, whom it believes."""

from pathlib import Path

from msgspec import Struct


class Setting(Struct, frozen=True, kw_only=True):
    """The options that all of them share."""

    host: str
    port: int
    authorities: tuple[str, ...]
    jwks: str
    key_file: Path
    key_id: str
    log: Path | None
    seed: int | None
    as_json: bool
