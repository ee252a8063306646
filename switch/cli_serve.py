"""`switch serve`: its options, and what it says while it runs.

What serves is imported when it is called for: most commands are the operator's and need none of it.
"""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from switch import config, limits, terminal
from switch.cli_operator import AdminDatabaseUrl, DataDir, KeyDir, key_folder
from switch.terminal import AsJson, option

if TYPE_CHECKING:
    from switch.serving import ServeOptions

Host = Annotated[str, option("--host", help="Address to listen on.")]
Port = Annotated[
    int, option("--port", help="Port to listen on; 0 picks a free one.", min=0, max=65535)
]
AdminHost = Annotated[str, option("--admin-host", help="Address of the admin port.")]
AdminPort = Annotated[
    int, option("--admin-port", help="Port of /metrics and /readyz; 0: any.", min=0, max=65535)
]
Workers = Annotated[
    int | None,
    option(
        "--workers",
        help="Worker processes [one a processor, at most 8].",
        min=1,
        max=limits.WORKERS_MAX,
    ),
]
Lanes = Annotated[
    int,
    option(
        "--lanes",
        help="Connections that decide payments, a worker.",
        min=1,
        max=limits.LANE_COUNT_MAX,
    ),
]
Authorities = Annotated[
    list[str] | None,
    option("--authority", help="HOST[:PORT] that participants sign for; repeatable."),
]
DatabaseUrl = Annotated[
    str | None, option("--database-url", help="Postgres URL of the workers' role [embedded].")
]
JobsDatabaseUrl = Annotated[
    str | None, option("--jobs-database-url", help="Postgres URL of the jobs' role [the workers'].")
]
TlsCert = Annotated[Path | None, option("--tls-cert", help="PEM file of the certificate chain.")]
TlsKey = Annotated[Path | None, option("--tls-key", help="PEM file of its private key.")]
TimeZone = Annotated[
    str | None,
    option("--time-zone", help=f"Whose days daily limits count [{config.TIME_ZONE_DEFAULT}]."),
]
KeyValidityMax = Annotated[
    int | None,
    option(
        "--key-validity-max",
        help=f"Days that a participant may introduce a key for [{limits.KEY_VALIDITY_D}].",
        min=1,
        max=limits.KEY_VALIDITY_D_MAX,
    ),
]
BooksCheckInterval = Annotated[
    float, option("--books-check-interval", help="Seconds between two checks.", min=1.0)
]
ReadsPerSecond = Annotated[
    float,
    option(
        "--reads-per-second",
        help="Look-ups of one key from one address, per worker.",
        min=1.0,
        max=limits.READS_PER_S_MAX,
    ),
]
EventRetention = Annotated[
    int,
    option(
        "--event-retention-days",
        help="How long events are kept, days.",
        min=1,
        max=limits.EVENT_RETENTION_D_MAX,
    ),
]
CallbackAllow = Annotated[
    list[str] | None,
    option(
        "--callback-allow",
        help="Network in CIDR form that calls may reach although it is not public; repeatable.",
    ),
]
DeliverySeconds = Annotated[
    float,
    option("--delivery-seconds", help="How long an event is tried before it is dead.", min=1.0),
]
BankWait = Annotated[
    float,
    option(
        "--bank-wait",
        help="How long a caller waits for a bank before it is told `pending`, seconds.",
        min=0.0,
        max=limits.BANK_WAIT_S_MAX,
    ),
]
BankDeadline = Annotated[
    float,
    option(
        "--bank-deadline",
        help="How long a bank may take to answer an authorization, seconds.",
        min=limits.BANK_DEADLINE_S_MIN,
        max=limits.BANK_DEADLINE_S_MAX,
    ),
]
SignatureAge = Annotated[
    int, option("--signature-age", help="How old a signature may be, seconds.", min=1)
]
SignatureAhead = Annotated[
    int, option("--signature-ahead", help="How far ahead its clock may be, seconds.", min=0)
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    option("--log-level", help="The least that is logged, to standard error."),
]


def serve(
    host: Host = config.HOST_DEFAULT,
    port: Port = config.PORT_DEFAULT,
    admin_host: AdminHost = config.HOST_DEFAULT,
    admin_port: AdminPort = config.ADMIN_PORT_DEFAULT,
    workers: Workers = None,
    lanes: Lanes = limits.LANE_COUNT,
    authority: Authorities = None,
    database_url: DatabaseUrl = None,
    jobs_database_url: JobsDatabaseUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    key_dir: KeyDir = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    time_zone: TimeZone = None,
    key_validity_max: KeyValidityMax = None,
    books_check_interval: BooksCheckInterval = limits.BOOKS_CHECK_INTERVAL_S,
    reads_per_second: ReadsPerSecond = limits.READS_PER_S,
    event_retention_days: EventRetention = limits.EVENT_RETENTION_D,
    callback_allow: CallbackAllow = None,
    delivery_seconds: DeliverySeconds = limits.DELIVERY_S_MAX,
    bank_wait_s: BankWait = limits.BANK_WAIT_S,
    bank_deadline_s: BankDeadline = limits.BANK_DEADLINE_S,
    signature_age: SignatureAge = limits.SIGNATURE_AGE_S_MAX,
    signature_ahead: SignatureAhead = limits.SIGNATURE_AHEAD_S_MAX,
    log_level: LogLevel = "info",
    as_json: AsJson = False,
) -> None:
    """Run the switch until SIGTERM or Ctrl-C; what it has accepted by then is answered."""
    from switch.serving import ServeOptions, until_asked_to_end

    options = ServeOptions(
        host=host,
        port=port,
        admin_host=admin_host,
        admin_port=admin_port,
        worker_count=workers or config.default_worker_count(),
        lane_count=lanes,
        authorities=tuple(authority or ()),
        data_dir=data_dir or config.default_data_dir(),
        key_dir=key_folder(key_dir, data_dir),
        database_url=database_url,
        jobs_database_url=jobs_database_url,
        admin_database_url=admin_database_url,
        tls_cert=tls_cert,
        tls_key=tls_key,
        time_zone=time_zone,
        key_validity_d_max=key_validity_max,
        books_check_interval_s=books_check_interval,
        reads_per_s=reads_per_second,
        event_retention_d=event_retention_days,
        callback_allow=tuple(callback_allow or ()),
        delivery_s_max=delivery_seconds,
        bank_wait_s=bank_wait_s,
        bank_deadline_s=bank_deadline_s,
        signature_age_s_max=signature_age,
        signature_ahead_s_max=signature_ahead,
        log_level=log_level,
    )
    terminal.run(until_asked_to_end(_serve(options, as_json)))


async def _serve(options: "ServeOptions", as_json: bool) -> None:
    from switch.serving import serving

    async with serving(options) as switch:
        document = {
            "url": switch.url,
            "admin_url": switch.admin_url,
            "workers": options.worker_count,
            "pid": os.getpid(),
        }
        terminal.show(
            document,
            as_json=as_json,
            text=f"switch: serving on {switch.url} with {options.worker_count} workers;"
            f" metrics on {switch.admin_url}/metrics; Ctrl-C ends it",
        )
        await asyncio.Event().wait()  # until_asked_to_end cancels it
