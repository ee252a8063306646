"""What must be true before a switch serves: `switch serve` from its options to running processes.

In order: the options make sense, the port is free, the database is there, its tables are of this
version, the workers' role may do no more than it should, there is a key to sign with. Then the
children start, and `serving` yields; when its block ends they drain, and the embedded database is
let go. Every refusal is a SwitchError: one line that says what to do.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, TypeVar

from switch import admin, embedded, limits, log, migrate
from switch.admin_port import AdminPort
from switch.config import (
    Config,
    admin_url_path,
    allowed_networks,
    in_url,
    is_loopback,
    known_authorities,
)
from switch.errors import SwitchError, using
from switch.keeper import open_lock, try_lock
from switch.services import SOURCES
from switch.supervisor import BESIDE_WORKERS, WORKER_COMMAND, Child, Supervisor

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What `switch serve` was asked for."""

    host: str
    port: int  # 0: any free one
    admin_host: str
    admin_port: int  # 0: any free one
    worker_count: int
    authorities: tuple[str, ...]
    data_dir: Path
    key_dir: Path
    database_url: str | None  # None: the embedded database of the data directory
    jobs_database_url: str | None  # None: as the workers
    admin_database_url: str | None
    tls_cert: Path | None
    tls_key: Path | None
    time_zone: str | None = None
    key_validity_d_max: int | None = None  # None: as it is set in the ledger
    lane_count: int = limits.LANE_COUNT
    books_check_interval_s: float = limits.BOOKS_CHECK_INTERVAL_S
    reads_per_s: float = limits.READS_PER_S
    event_retention_d: int = limits.EVENT_RETENTION_D
    callback_allow: tuple[str, ...] = ()
    delivery_s_max: float = limits.DELIVERY_S_MAX
    bank_wait_s: float = limits.BANK_WAIT_S
    bank_deadline_s: float = limits.BANK_DEADLINE_S
    signature_age_s_max: int = limits.SIGNATURE_AGE_S_MAX
    signature_ahead_s_max: int = limits.SIGNATURE_AHEAD_S_MAX
    log_level: str = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Databases:
    """One URL for each role; the operator's is None when this process was not given it."""

    workers: str
    jobs: str
    operator: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A running switch."""

    config: Config
    url: str
    admin_url: str
    databases: Databases
    supervisor: Supervisor


@asynccontextmanager
async def serving(options: ServeOptions, *, messages: Path | None = None) -> AsyncIterator[Serving]:
    """Run a switch while the block lasts; `messages` gets what its children say, else stderr."""
    log.configure(level=options.log_level, process="supervisor")
    check_options(options)
    async with AsyncExitStack() as stack:
        reserved = stack.enter_context(reserve_port(options.host, options.port))
        port = int(reserved.getsockname()[1])
        scheme = "https" if options.tls_cert else "http"
        authorities = known_authorities(
            options.authorities, host=options.host, port=port, scheme=scheme
        )
        databases = await stack.enter_async_context(_databases(options))
        stack.enter_context(_alone(options.data_dir))
        await _prepare_database(options, databases)
        config = _config(options, port=port, authorities=authorities, url=databases.workers)
        metrics_dir = stack.enter_context(_metrics_dir(options.data_dir, port))
        said = None if messages is None else stack.enter_context(_opened(messages))
        children = _children(options, config, databases, metrics_dir, said)
        supervisor = Supervisor(children, messages=messages)
        admin_port = AdminPort(children=children, metrics_dir=metrics_dir)
        admin_number = await admin_port.start(host=options.admin_host, port=options.admin_port)
        stack.push_async_callback(admin_port.stop)
        admin_url = f"http://{in_url(options.admin_host)}:{admin_number}"
        stack.enter_context(_announced(admin_url, options.data_dir))
        await supervisor.start()
        stack.push_async_callback(supervisor.drain)
        yield Serving(
            config=config,
            url=f"{scheme}://{in_url(options.host)}:{port}",
            admin_url=admin_url,
            databases=databases,
            supervisor=supervisor,
        )


def check_options(options: ServeOptions) -> None:
    """Everything that is wrong with the options alone, before anything is started."""
    if not 1 <= options.worker_count <= limits.WORKERS_MAX:
        raise SwitchError(f"--workers must be between 1 and {limits.WORKERS_MAX}")
    if not is_loopback(options.host) and not options.authorities:
        known_authorities((), host=options.host, port=options.port, scheme="http")  # says why
    allowed_networks(options.callback_allow)
    if (options.tls_cert is None) != (options.tls_key is None):
        raise SwitchError("TLS needs both --tls-cert and --tls-key")
    if options.tls_cert is not None:
        _check_tls(options.tls_cert, options.tls_key)
    if options.database_url is None and options.admin_database_url is not None:
        raise SwitchError("--admin-database-url needs --database-url, the URL of the workers' role")


def _check_tls(certificate: Path, key: Path | None) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        reason = error.reason or "not a matching pair in PEM"
    except OSError as error:
        reason = error.strerror or "cannot be opened"
    else:
        return
    raise SwitchError(f"--tls-cert {certificate} with --tls-key {key} cannot be used: {reason}")


def reserve_port(host: str, port: int) -> socket.socket:
    """A socket that holds the port, without listening, until it is closed.

    The workers share the port with SO_REUSEPORT, with which a second switch would bind it too,
    without an error; so it is bound without that option first, which fails when anybody has it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)  # an address in use is reported here by some systems
            address = probe.getsockname()
        held = socket.socket(family, kind, protocol)
        try:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind(address)
        except OSError:
            held.close()
            raise
    except OSError as error:
        raise SwitchError(
            f"cannot listen on {host}:{port} ({error.strerror}):"
            " end what uses it, or choose another with --port"
        ) from None
    return held


@asynccontextmanager
async def _databases(options: ServeOptions) -> AsyncIterator[Databases]:
    """The URLs; an embedded database is held open meanwhile."""
    if options.database_url is not None:
        yield Databases(
            workers=options.database_url,
            jobs=options.jobs_database_url or options.database_url,
            operator=options.admin_database_url,
        )
        return
    async with embedded.open_database(options.data_dir) as database:
        yield Databases(
            workers=database.url("switch_worker_login"),
            jobs=database.url("switch_jobs_login"),
            operator=database.url(),
        )


async def _prepare_database(options: ServeOptions, databases: Databases) -> None:
    """Migrate where we may, make the first key where we may, and refuse what cannot work."""
    if databases.operator is not None:
        await migrate.migrate(
            databases.operator,
            SOURCES,
            time_zone=options.time_zone,
            key_validity_d_max=options.key_validity_d_max,
        )
        if options.database_url is None:
            await migrate.create_embedded_roles(databases.operator)
        async with admin.connected(databases.operator) as operator:
            await operator.make_first_switch_key(options.key_dir)
    async with admin.connected(databases.workers) as worker:
        await migrate.check_worker_role(worker.connection)
        await worker.check_member("switch_worker")
        async with admin.connected(databases.jobs) as jobs:
            await migrate.check_worker_role(jobs.connection)
            await jobs.check_member("switch_jobs")
        await worker.check_switch_key(options.key_dir)


def _config(options: ServeOptions, *, port: int, authorities: tuple[str, ...], url: str) -> Config:
    return Config(
        host=options.host,
        port=port,
        authorities=authorities,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        database_url=url,
        key_dir=options.key_dir,
        lane_count=options.lane_count,
        bank_wait_s=options.bank_wait_s,
        signature_age_s_max=options.signature_age_s_max,
        signature_ahead_s_max=options.signature_ahead_s_max,
        books_check_interval_s=options.books_check_interval_s,
        reads_per_s=options.reads_per_s,
        event_retention_d=options.event_retention_d,
        callback_allow=allowed_networks(options.callback_allow),
        delivery_s_max=options.delivery_s_max,
        bank_deadline_s=options.bank_deadline_s,
        log_level=options.log_level,
    )


def _children(
    options: ServeOptions,
    config: Config,
    databases: Databases,
    metrics_dir: Path,
    messages: IO[bytes] | None,
) -> list[Child]:
    workers = [
        Child(
            name=f"worker-{number}",
            command=WORKER_COMMAND,
            config=config,
            metrics_dir=metrics_dir,
            messages=messages,
        )
        for number in range(options.worker_count)
    ]
    beside = [
        Child(
            name=name,
            command=command,
            config=replace(config, database_url=databases.jobs),
            metrics_dir=metrics_dir,
            messages=messages,
        )
        for name, command in BESIDE_WORKERS.items()
    ]
    return [*workers, *beside]


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Be the only switch that serves from this data directory.

    The system lets go of the lock with this process, however it ends; children do not inherit it.
    It lies with the metrics, in a folder that an embedded database bears beside it.
    """
    path = data_dir / "metrics" / "serving.lock"
    with using(data_dir):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = open_lock(path)
    try:
        if not try_lock(lock, fcntl.LOCK_EX):
            raise SwitchError(
                f"{data_dir} is in use by another switch: stop that one, or give --data-dir"
                " another folder"
            )
        yield
    finally:
        os.close(lock)


@contextmanager
def _metrics_dir(data_dir: Path, port: int) -> Iterator[Path]:
    """An empty folder where the processes keep their samples; one for each port of this machine."""
    folder = data_dir / "metrics" / str(port)
    with using(data_dir):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _opened(messages: Path) -> IO[bytes]:
    """The file of what the children say, to append to."""
    with using(messages.parent):
        return messages.open("ab")


@contextmanager
def _announced(admin_url: str, data_dir: Path) -> Iterator[None]:
    """Say in the data directory where the admin port is, for `switch status`."""
    path = admin_url_path(data_dir)
    with using(data_dir):
        path.write_text(f"{admin_url}\n")
    try:
        yield
    finally:
        with suppress(OSError):  # the data directory may be gone by now
            path.unlink()


async def until_asked_to_end(work: Coroutine[Any, Any, Result]) -> Result | None:
    """The result of the work; None when SIGTERM or SIGINT asked for an end, and it was cancelled.

    A second signal ends this process at once; its children notice and end too.
    """
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(work)
    asked = 0

    def end() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            os._exit(1)
        running.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    try:
        return await running
    except asyncio.CancelledError:
        if not asked:
            raise
        return None
