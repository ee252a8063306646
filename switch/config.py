"""What one process of the switch is told when it starts, as one frozen value.

The supervisor fills it in from options and environment variables and hands it to its children as
one JSON document on their standard input; a child never reads options itself. Only names, defaults
and checks that need nothing but the values may live here; the bounds that are the defaults live in
`limits`.
"""

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from switch import limits
from switch.errors import SwitchError

HOST_DEFAULT = "127.0.0.1"
PORT_DEFAULT = 8080
ADMIN_PORT_DEFAULT = 9464
TIME_ZONE_DEFAULT = "Asia/Shanghai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything a worker or the jobs process needs; each gets its own database URL only."""

    # Where it listens.
    host: str = HOST_DEFAULT
    port: int = PORT_DEFAULT  # never 0 here: the supervisor has already picked a free one
    authorities: tuple[str, ...]  # every name it answers to, as `normal_authority` writes it
    tls_cert: Path | None = None
    tls_key: Path | None = None

    # What it stands on.
    database_url: str  # of the role of this process
    key_dir: Path  # private halves of the switch's own signing keys, `<name>.pem`

    # How much it takes on, per process.
    lane_count: int = limits.LANE_COUNT
    lane_queue_max: int = limits.LANE_QUEUE_MAX
    read_connections_max: int = limits.READ_CONNECTIONS_MAX
    connections_max: int = limits.WORKER_CONNECTIONS_MAX

    # How long a caller waits for a bank's decision before it is told that there is none so far.
    bank_wait_s: float = limits.BANK_WAIT_S

    # How old a signature may be, and how far ahead its clock.
    signature_age_s_max: int = limits.SIGNATURE_AGE_S_MAX
    signature_ahead_s_max: int = limits.SIGNATURE_AHEAD_S_MAX

    # How often it is written down when keys last signed.
    key_uses_interval_s: float = limits.KEY_USES_INTERVAL_S

    # The jobs process.
    fold_interval_s: float = limits.FOLD_INTERVAL_S
    books_check_interval_s: float = limits.BOOKS_CHECK_INTERVAL_S
    reads_per_s: float = limits.READS_PER_S
    event_retention_d: int = limits.EVENT_RETENTION_D

    # The delivery process.
    callback_allow: tuple[str, ...] = ()  # networks that calls may reach although not public
    delivery_s_max: float = limits.DELIVERY_S_MAX

    # The banks process.
    bank_deadline_s: float = limits.BANK_DEADLINE_S  # until when a bank may answer

    # How it ends and what it says.
    drain_s: float = limits.DRAIN_ANSWERS_S_MAX  # for answering what was accepted
    log_level: str = "info"

    @property
    def issuer(self) -> str:
        """The name that stands in receipts: the first that was given."""
        return self.authorities[0]

    @property
    def scheme(self) -> str:
        """`https` when the switch itself ends TLS; a proxy in front is not its business."""
        return "https" if self.tls_cert is not None else "http"

    @property
    def url(self) -> str:
        """Where people find it: by its first name, and with TLS, whoever ends that, or on loopback.

        Pages for people are not for plain http beyond one machine.
        """
        host = urlsplit(f"//{self.issuer}").hostname or ""
        scheme = self.scheme if is_loopback(host) else "https"
        return f"{scheme}://{self.issuer}"

    def to_json(self) -> bytes:
        """The one document that a child reads from its standard input."""
        return msgspec.json.encode(self, enc_hook=_encode_path)

    @staticmethod
    def from_json(document: bytes) -> "Config":
        """The inverse of `to_json`; a document that does not fit is a bug, and msgspec says so."""
        return msgspec.json.decode(document, type=Config, dec_hook=_decode_path)


def is_loopback(host: str) -> bool:
    """Whether nobody beyond this machine can reach an address to listen on."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_server_url(url: str) -> None:
    """Raise SwitchError unless the switch may call this URL: https, or plain http on loopback."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # the port is read for its check alone
    except ValueError:
        host = None
    if len(url) > limits.CALLBACK_URL_CHARS_MAX:
        host = None
    if not host or parts.scheme not in ("http", "https") or any(c.isspace() for c in url):
        raise SwitchError(f"{url!r} is not a URL like https://bank.example/switch")
    if parts.username is not None or parts.fragment:
        raise SwitchError(f"{url!r} must name neither a user nor a fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise SwitchError(f"{url!r} is called over a network: give an https URL")


def check_bank_url(url: str) -> None:
    """Raise SwitchError unless the switch may call what lies below this URL: paths are appended."""
    if "?" in url or "#" in url:
        raise SwitchError(
            f"{url!r} must have no query and no fragment: /authorizations is appended to it"
        )
    check_server_url(url)


def allowed_networks(given: Iterable[str]) -> tuple[str, ...]:
    """Networks in CIDR form, as `--callback-allow` names them."""
    try:
        return tuple(str(ipaddress.ip_network(text)) for text in given)
    except ValueError as error:
        raise SwitchError(f"--callback-allow: {error}; give a network like 10.1.0.0/16") from None


def normal_authority(text: str, *, scheme: str) -> str:
    """An authority as RFC 9421 §2.2.3 writes it: lower case, without the scheme's default port."""
    authority = text.strip().lower()
    return authority.removesuffix(":443" if scheme == "https" else ":80")


def known_authorities(
    given: Iterable[str], *, host: str, port: int, scheme: str
) -> tuple[str, ...]:
    """The switch's own names: those given, and on loopback the obvious three with its port.

    Raises SwitchError when it listens beyond loopback and was not told any name.
    """
    names = [normal_authority(name, scheme=scheme) for name in given]
    for name in names:
        if not name or any(character in name for character in "/@ ?#"):
            raise SwitchError(f"--authority {name!r} is not HOST or HOST:PORT")
    if is_loopback(host):
        implied = (f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))
        names.extend(normal_authority(name, scheme=scheme) for name in implied)
    if not names:
        raise SwitchError(
            f"listening on {host} needs the name that participants sign for:"
            " give --authority HOST[:PORT], once for each name"
        )
    return tuple(dict.fromkeys(names))


def default_data_dir() -> Path:
    """Where the embedded database lives unless told (the XDG state folder)."""
    state_home = os.environ.get("XDG_STATE_HOME")
    try:
        return (Path(state_home) if state_home else Path.home() / ".local" / "state") / "switch"
    except RuntimeError as error:
        raise SwitchError("this user has no home folder: give a --data-dir") from error


def admin_url_path(data_dir: Path) -> Path:
    """The file in which a running switch says where its admin port is."""
    return data_dir / "admin.url"


def in_url(host: str) -> str:
    """A host as a URL writes it."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def default_worker_count() -> int:
    """As many workers as there are processors, up to a bound."""
    return max(1, min(limits.WORKERS_DEFAULT_MAX, len(os.sched_getaffinity(0))))


def _encode_path(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value).__name__)


def _decode_path(kind: type, value: Any) -> Path:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(kind.__name__)
