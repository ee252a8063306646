"""The secrets of wallets as files: the folder `wallets` in the switch's key folder.

`index.key` makes the indexes of aliases and stays for ever. `seal-ID.key` are for personal data:
the last by name seals, all of them open, so a new one is added by putting its file there. Each file
holds 64 hexadecimal digits. The first of each is made when there is none.
"""

import re
from pathlib import Path

from switch.errors import LedgerUnavailable
from switch.secret_file import read, read_or_make
from switch.services.wallets import limits
from switch.services.wallets.seal import SecretBox

FOLDER = "wallets"
INDEX = "index.key"
FIRST_SEAL = "seal-1.key"

_SEAL = re.compile(rf"seal-([A-Za-z0-9_]{{1,{limits.KEY_ID_CHARS_MAX}}})\.key")


def load(key_dir: Path) -> SecretBox:
    """The secrets of this switch. Raises LedgerUnavailable when a file cannot be read as one."""
    folder = key_dir / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        index_secret = read_or_make(folder / INDEX)
        if not any(_SEAL.fullmatch(entry.name) for entry in folder.iterdir()):
            read_or_make(folder / FIRST_SEAL)
        found = {
            name[1]: read(folder / entry.name)
            for entry in folder.iterdir()
            if (name := _SEAL.fullmatch(entry.name))
        }
    except (OSError, ValueError) as error:
        raise LedgerUnavailable("the keys of wallets cannot be read") from error
    return SecretBox(current=max(found), secrets=found, index_secret=index_secret)
