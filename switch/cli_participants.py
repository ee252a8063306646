"""The commands about who takes part: `switch participant …` and `switch key …`."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from switch import admin, config, keyfile, terminal
from switch.admin import Operator
from switch.cli_operator import AdminDatabaseUrl, DataDir, KeyDir, act, key_folder
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.errors import SwitchError
from switch.terminal import AsJson, option

ParticipantId = Annotated[str, typer.Argument(metavar="ID", help="Id of the participant.")]
KeyId = Annotated[str, typer.Argument(metavar="KEYID", help="PARTICIPANT/NAME.")]
Kind = Annotated[str, option("--kind", help="bank, wallet, merchant or government.")]
NotBefore = Annotated[str | None, option("--not-before", help="Valid from, RFC 3339 [now].")]
SignsFrom = Annotated[
    str | None,
    option(
        "--not-before",
        help="Signs from, RFC 3339 or now [5 minutes from now; at once where no other key can].",
    ),
]
NotAfter = Annotated[str | None, option("--not-after", help="Valid until, RFC 3339.")]


def callback_url(given: str | None) -> str | None:
    """Where events go, as it was given, when the switch may call it."""
    return _checked(given, config.check_server_url)


def bank_url(given: str | None) -> str | None:
    """Where a bank is asked, as it was given, when the switch may call what lies below it."""
    return _checked(given, config.check_bank_url)


def _checked(given: str | None, check: Callable[[str], None]) -> str | None:
    if given:
        try:
            check(given)
        except SwitchError as error:
            raise typer.BadParameter(str(error)) from None
    return given


CallbackUrl = Annotated[
    str | None,
    option(
        "--callback-url",
        help="Where its events are pushed to, https; '' removes it.",
        callback=callback_url,
    ),
]
BankUrl = Annotated[
    str | None,
    option(
        "--bank-url",
        help="Where it is asked about money it holds itself, https, no query; '' removes it.",
        callback=bank_url,
    ),
]

participant_app = typer.Typer(help="Who takes part.")
key_app = typer.Typer(help="Keys of participants and of the switch itself.")


@participant_app.command("add")
def participant_add(
    participant: ParticipantId,
    kind: Kind,
    callback_url: CallbackUrl = None,
    bank_url: BankUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let a participant in. It speaks as soon as it has a key: `switch key add`."""
    act(
        admin_database_url,
        data_dir,
        lambda operator: operator.add_participant(
            participant, kind=kind, callback_url=callback_url or None, bank_url=bank_url or None
        ),
    )
    terminal.show(
        {"id": participant, "kind": kind}, as_json=as_json, text=f"{participant} is a {kind}"
    )


@participant_app.command("set")
def participant_set(
    participant: ParticipantId,
    callback_url: CallbackUrl = None,
    bank_url: BankUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change where a participant is called."""
    if callback_url is None and bank_url is None:
        raise typer.BadParameter("nothing to change: give --callback-url or --bank-url")
    act(
        admin_database_url,
        data_dir,
        lambda operator: operator.set_participant(
            participant, callback_url=callback_url, bank_url=bank_url
        ),
    )
    terminal.show({"id": participant}, as_json=as_json, text=f"{participant} is changed")


@participant_app.command("list")
def participant_list(
    admin_database_url: AdminDatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Everybody who takes part."""
    rows = act(admin_database_url, data_dir, Operator.participants)
    columns = ("id", "kind", "status", "keys", "callback_url", "bank_url", "created_at")
    terminal.show(
        {"participants": rows}, as_json=as_json, text=terminal.table(rows, columns=columns)
    )


@participant_app.command("suspend")
def participant_suspend(
    participant: ParticipantId,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Stop a participant; it may still read, and repeat what it sent."""
    _set_status(participant, "suspended", admin_database_url, data_dir, as_json)


@participant_app.command("resume")
def participant_resume(
    participant: ParticipantId,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let a suspended participant go on."""
    _set_status(participant, "active", admin_database_url, data_dir, as_json)


def _set_status(
    participant: str,
    status: str,
    admin_database_url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    act(
        admin_database_url,
        data_dir,
        lambda operator: operator.set_participant_status(participant, status=status),
    )
    terminal.show(
        {"id": participant, "status": status}, as_json=as_json, text=f"{participant} is {status}"
    )


@key_app.command("generate")
def key_generate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file for the private key.")],
    as_json: AsJson = False,
) -> None:
    """Write a new Ed25519 private key; print the public one."""

    async def work() -> str:
        seed = keyfile.generate_seed()
        keyfile.write_private_key(file, seed)
        return keyfile.public_pem(keyfile.public_key(seed))

    public = terminal.run(work())
    terminal.show(
        {"file": str(file), "public_key": public}, as_json=as_json, text=public.rstrip("\n")
    )


@key_app.command("add")
def key_add(
    key_id: KeyId,
    public_key: Annotated[Path, option("--public-key", help="PEM file of the public key.")],
    not_before: NotBefore = None,
    not_after: NotAfter = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Trust a participant's public key."""
    begin = terminal.moment(not_before, name="--not-before")
    end = terminal.moment(not_after, name="--not-after")

    async def add(operator: Operator) -> None:
        await operator.add_key(
            key_id, _read_public_key(public_key), not_before=begin, not_after=end
        )

    act(admin_database_url, data_dir, add)
    terminal.show({"key_id": key_id}, as_json=as_json, text=f"{key_id} is trusted")


@key_app.command("revoke")
def key_revoke(
    key_id: KeyId,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Stop trusting a key and all it introduced, for good; the switch's own stay published."""
    is_own = key_id.startswith("switch/")
    revoke = Operator.end_switch_key if is_own else Operator.revoke_key
    revoked = act(admin_database_url, data_dir, lambda operator: revoke(operator, key_id))
    others = [one for one in revoked if one != key_id]
    also = f", and with it {', '.join(others)}" if others else ""
    terminal.show(
        {"key_id": key_id, "revoked": revoked}, as_json=as_json, text=f"{key_id} is revoked{also}"
    )


@key_app.command("confirm")
def key_confirm(
    key_id: KeyId,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let a key stay when the key that introduced it is revoked."""
    act(admin_database_url, data_dir, lambda operator: operator.confirm_key(key_id))
    terminal.show({"key_id": key_id}, as_json=as_json, text=f"{key_id} stands by itself")


@key_app.command("list")
def key_list(
    admin_database_url: AdminDatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Every key: the participants' and the switch's own."""
    rows = act(admin_database_url, data_dir, Operator.keys)
    columns = (
        *("key_id", "not_before", "not_after", "introduced_by", "confirmed_at", "revoked_at"),
        "last_used_at",
    )
    terminal.show({"keys": rows}, as_json=as_json, text=terminal.table(rows, columns=columns))


@key_app.command("rotate")
def key_rotate(
    not_before: SignsFrom = None,
    not_after: NotAfter = None,
    key_dir: KeyDir = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a new signing key for the switch itself; the old ones stay published.

    It is published at once and signs later, when everybody has read it.
    """
    begin = terminal.moment(not_before, name="--not-before")
    end = terminal.moment(not_after, name="--not-after")
    folder = key_folder(key_dir, data_dir)
    made = act(
        admin_database_url,
        data_dir,
        lambda operator: operator.make_switch_key(folder, not_before=begin, not_after=end),
    )
    assert made.not_before is not None, "a key of the switch has a validity"
    file = admin.switch_key_path(folder, made.key_id.partition("/")[2])
    begun = _in_words(made.not_before)
    terminal.show(
        {
            "key_id": made.key_id,
            "file": str(file),
            "not_before": made.not_before,
            "not_after": made.not_after,
        },
        as_json=as_json,
        text=f"{made.key_id} signs from {begun} on; its private half is {file}",
    )


def _in_words(begins_at: datetime) -> str:
    """When a validity begins."""
    return "now" if begins_at <= SYSTEM_CLOCK.now() else rfc3339(begins_at)


def _read_public_key(path: Path) -> bytes:
    try:
        return keyfile.parse_public_pem(path.read_text())
    except OSError as error:
        raise SwitchError(f"cannot read the public key {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SwitchError(f"{path} is not a PEM file: `switch key generate` prints one") from None
