"""The command for those who are handed a receipt: `switch receipt verify`. It asks no network.

Exit code 1 means one thing here: the receipt is not genuine. A file that cannot be read is wrong
usage, code 2, so that a script never takes a mistake of its own for a forgery.
"""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from switch import keyfile, limits, receipt, terminal
from switch.errors import SwitchError
from switch.keyfile import PublicKey
from switch.receipt import Genuine
from switch.structured import Fault
from switch.terminal import AsJson, option

receipt_app = typer.Typer(help="Receipts of payments, checked offline.")


@receipt_app.command("verify")
def receipt_verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The receipt, a compact JWS.")],
    jwks: Annotated[
        Path, option("--jwks", help="The switch's published keys: /.well-known/jwks.json.")
    ],
    as_json: AsJson = False,
) -> None:
    """Whether a receipt is genuine, and what it says."""
    keys = _published_keys(jwks)
    content = _content(file, limits.JWS_CHARS_MAX + 1, name="FILE")  # with a line's end
    found = receipt.verify(content.decode("utf-8", "replace").rstrip("\r\n"), keys)
    if isinstance(found, Fault):
        terminal.fail(f"the receipt is not genuine: it {found.detail}")
    said = msgspec.to_builtins(found.receipt)
    terminal.show({"key_id": found.key_id, "receipt": said}, as_json=as_json, text=_text(found))


def _text(found: Genuine) -> str:
    """What a receipt says, one member a line."""
    said = {"signed by": found.key_id} | msgspec.to_builtins(found.receipt)
    lines = (f"  {name:<16} {'-' if value is None else value}" for name, value in said.items())
    return "\n".join(["the receipt is genuine", *lines])


def _published_keys(path: Path) -> dict[str, PublicKey]:
    try:
        return keyfile.parse_jwks(_content(path, limits.JWKS_BYTES_MAX, name="--jwks"))
    except SwitchError as error:
        raise typer.BadParameter(f"--jwks: {path}: {error}") from None


def _content(path: Path, bytes_max: int, *, name: str) -> bytes:
    """A whole file, or more bytes than there may be."""
    try:
        with path.open("rb") as reader:
            return reader.read(bytes_max + 1)
    except OSError as error:
        raise typer.BadParameter(f"{name}: cannot read {path}: {error.strerror}") from None
