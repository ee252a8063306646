"""`switch status`: what an operator looks at first, in the ledger and at the running processes."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from switch import config, deliveries, limits, terminal, upkeep
from switch.admin import Operator
from switch.cli_operator import AdminDatabaseUrl, DataDir, act
from switch.clock import SYSTEM_CLOCK
from switch.terminal import AsJson, option

AdminHost = Annotated[
    str | None, option("--admin-host", help="Address of the admin port [as the switch says].")
]
AdminPort = Annotated[
    int | None,
    option("--admin-port", help="The admin port [as the switch says].", min=1, max=65535),
]


def status(
    admin_host: AdminHost = None,
    admin_port: AdminPort = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """The ledger's backlog, the last check of the books, keys that end soon, the processes."""
    url = _admin_url(admin_host, admin_port, data_dir or config.default_data_dir())

    async def look(operator: Operator) -> dict[str, Any]:
        return await _ledger(operator) | {"processes": await _processes(url)}

    document = act(admin_database_url, data_dir, look)
    shown = document | {"processes": document["processes"] or f"no supervisor answers at {url}"}
    rows = [{"what": name, "state": _words(value)} for name, value in shown.items()]
    terminal.show(document, as_json=as_json, text=terminal.table(rows, columns=("what", "state")))


def _admin_url(host: str | None, port: int | None, data_dir: Path) -> str:
    """As asked for; else where the switch of this data directory says; else the default."""
    if host is None and port is None:
        with suppress(OSError, UnicodeDecodeError):
            return config.admin_url_path(data_dir).read_text().strip()
    host = config.in_url(host or config.HOST_DEFAULT)
    return f"http://{host}:{port or config.ADMIN_PORT_DEFAULT}"


async def _ledger(operator: Operator) -> dict[str, Any]:
    state = await upkeep.ledger_status(operator.connection)
    soon = SYSTEM_CLOCK.now() + timedelta(days=limits.KEY_ENDS_SOON_D)
    pushed = await deliveries.delivery_backlog(operator.connection)
    keys = [key for key in await operator.keys() if key["revoked_at"] is None]
    return {
        "participants": len(await operator.participants()),
        "unfolded_credits": state.unfolded_credits,
        "fold_lag_s": state.fold_lag_s,
        "waiting_events": sum(one.waiting for one in pushed),
        "dead_events": sum(one.dead for one in pushed),
        "books_checked_at": state.books_checked_at,
        "books_deviations": state.books_deviations,
        "keys": len(keys),
        "keys_ending_soon": [
            key["key_id"] for key in keys if SYSTEM_CLOCK.now() < key["not_after"] < soon
        ],
    }


async def _processes(url: str) -> dict[str, Any] | None:
    """What the supervisor on this machine says of its processes; None when none answers there."""
    import aiohttp  # large, and no other operator's command needs it

    timeout = aiohttp.ClientTimeout(total=limits.STATUS_WAIT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url}/readyz") as answer,
        ):
            processes: dict[str, Any] = (await answer.json())["processes"]
            return processes
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
        return None


def _words(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{name} {state}" for name, state in value.items())
    return value
