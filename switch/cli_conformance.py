"""`switch conformance`: tries a participant's own server, as the switch would call it."""

from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID, uuid4

import typer

from switch import keyfile, limits, terminal
from switch.conformance.report import Report, Result
from switch.errors import SwitchError
from switch.signature import signing_key
from switch.terminal import AsJson, option

KEY_ID = "switch/conformance"


def conformance(
    key: Annotated[Path, option("--key", help="PEM file of the private key to play the switch.")],
    url: Annotated[
        str | None, typer.Argument(metavar="URL", help="The bank URL, or the callback URL.")
    ] = None,
    key_id: Annotated[str, option("--keyid", help="Its id: switch/NAME.")] = KEY_ID,
    participant_key: Annotated[
        list[str] | None,
        option("--participant-key", help="KEYID=FILE, its public key in PEM; repeatable."),
    ] = None,
    kind: Annotated[
        Literal["bank", "callback"], option("--kind", help="What the URL is.")
    ] = "bank",
    account: Annotated[
        UUID | None, option("--account", help="Account at the bank that may pay [a new one].")
    ] = None,
    account_reference: Annotated[
        str | None, option("--account-reference", help="The bank's own name for it.")
    ] = "conformance",
    currency: Annotated[str, option("--currency", help="ISO 4217 code of the account.")] = "CNY",
    amount: Annotated[
        int, option("--amount", help="Asked at a time, minor units.", min=1, max=limits.AMOUNT_MAX)
    ] = 100,
    jwks_port: Annotated[
        int | None,
        option("--jwks-port", help="Publish its keys on this port of 127.0.0.1.", min=1, max=65535),
    ] = None,
    print_jwks: Annotated[
        bool, option("--print-jwks", help="Print the keys to register at the server, and end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Play the switch against a participant's server: what it keeps to, and what to mend."""
    from switch.conformance.interview import TrialAccount
    from switch.conformance.publication import Publication
    from switch.conformance.running import Trial, run_trial

    if not key_id.startswith("switch/"):
        raise typer.BadParameter("--keyid: the switch's keys are called switch/NAME")
    try:
        played = signing_key(key_id, keyfile.read_private_key(key))
        public_keys = dict(map(_public_key, participant_key or ()))
    except SwitchError as error:
        terminal.fail(str(error))
    if print_jwks:
        print(Publication(played).document.decode())  # noqa: T201  the command's result
        return
    if url is None:
        raise typer.BadParameter("give the URL of the server, or --print-jwks")
    trial = Trial(
        url=url,
        kind=kind,
        key=played,
        public_keys=public_keys,
        account=TrialAccount(
            id=str(account or uuid4()),
            reference=account_reference,
            currency=currency,
            amount=amount,
        ),
        jwks_port=jwks_port,
    )
    with terminal.progress() as bars:
        task = bars.add_task("checks", total=None)

        def told(result: Result) -> None:
            bars.update(task, advance=1, description=result.check)

        report = terminal.run(run_trial(trial, told))
    _show(report, as_json=as_json)


def _show(report: Report, *, as_json: bool) -> None:
    """The report, and for each check that failed a line that says what to do."""
    rows = [
        {"check": one.check, "result": one.result, "promise": one.promise} for one in report.results
    ]
    table = terminal.table(rows, columns=("check", "result", "promise"))
    terminal.show(report.document, as_json=as_json, text=table)
    for one in report.results:
        if one.result == "failed":
            terminal.say(f"{one.check}: {one.seen} — {one.advice}")
    failed, skipped = report.count("failed"), report.count("skipped")
    untried = f", {skipped} could not be tried" if skipped else ""
    if failed:
        terminal.fail(f"{failed} of {len(report.results)} checks failed{untried}")
    terminal.say(f"{report.count('passed')} of {len(report.results)} checks passed{untried}")


def _public_key(pair: str) -> tuple[str, bytes]:
    """One KEYID=FILE."""
    key_id, mark, file = pair.partition("=")
    if not mark or "/" not in key_id:
        raise SwitchError(f"--participant-key: {pair!r} is not KEYID=FILE, as red-bank/one=red.pub")
    try:
        return key_id, keyfile.parse_public_pem(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise SwitchError(f"--participant-key: cannot read {file} ({error.strerror})") from None
    except (SwitchError, UnicodeDecodeError) as error:
        raise SwitchError(f"--participant-key: {file}: {error}") from None
