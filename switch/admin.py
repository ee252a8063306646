"""The operator's actions, over one connection that may do what the workers may not.

Each method calls one function of the ledger, which does the work, checks the values and leaves the
trace; here they only get names and types. What the ledger refuses becomes a SwitchError with its
message and what to do. Workers notice every change within a second. Used by the command line and
the demo city; nothing here is on the payment path.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from switch import db, doubt, embedded, keyfile, ledger, limits, migrate, upkeep
from switch.account_ledger import stored_account
from switch.clock import SYSTEM_CLOCK, Clock
from switch.errors import SwitchError, using
from switch.keeper import Home
from switch.keyfile import PublicKey
from switch.message import Account, as_id, is_text
from switch.queries import QUERIES
from switch.reads import CLAIMS_OF_PAYMENTS
from switch.services import CHECKS, SOURCES
from switch.timeline import CALLS, Timeline
from switch.trail import read_timeline

REFUSED = "SW001"  # SQLSTATE of a refusal that is meant for a person


class Operator:
    """What the operator can do, by name. One connection, one action at a time."""

    def __init__(self, connection: asyncpg.Connection, clock: Clock = SYSTEM_CLOCK) -> None:
        self.connection = connection
        self._clock = clock

    # Participants.

    async def add_participant(
        self,
        participant: str,
        *,
        kind: str,
        callback_url: str | None = None,
        bank_url: str | None = None,
    ) -> None:
        """Let a bank, wallet provider, merchant or government office take part."""
        await self._do("add_participant", participant, kind, callback_url, bank_url)

    async def set_participant(
        self, participant: str, *, callback_url: str | None = None, bank_url: str | None = None
    ) -> None:
        """Change where it is called; None leaves a URL as it is, an empty text removes it."""
        await self._do("set_participant", participant, callback_url, bank_url)

    async def set_participant_status(self, participant: str, *, status: str) -> None:
        """`active` or `suspended`; a suspended participant still reads, repeats and bars."""
        await self._do("set_participant_status", participant, status)

    async def dead_events(self, participant: str | None = None) -> list[dict[str, Any]]:
        """Events that were not taken in time, the longest dead first; everybody's or one's."""
        return await self._rows("list_dead_events", participant, limits.DEAD_EVENTS_LISTED_MAX)

    async def replay_events(self, participant: str, numbers: list[int] | None = None) -> int:
        """Send a participant's dead events again, all or these; how many."""
        return int((await self._rows("replay_events", participant, numbers))[0]["count"])

    async def bank_calls(self, bank: str, *, given_up: bool = False) -> list[dict[str, Any]]:
        """Credits and reversals that a bank has not answered, or those that were given up."""
        rows = await self._rows("list_bank_calls", bank, given_up, limits.BANK_CALLS_LISTED_MAX)
        return [row | {"kind": CALLS[row["kind"]]} for row in rows]

    async def give_up_calls(self, bank: str, payment: UUID, *, reason: str) -> list[dict[str, Any]]:
        """End what a bank does not answer about a payment; what was decided, by it or by this."""
        _check_text("--reason", reason, limits.DESCRIPTION_CHARS_MAX)
        settle = "repeat the command, what was given up stays so"
        rows = await self._rows("give_up_calls", bank, payment, reason, settle=settle)
        return [{"payment": payment} | row | {"kind": CALLS[row["kind"]]} for row in rows]

    async def give_up_all_calls(self, bank: str, *, reason: str) -> list[dict[str, Any]]:
        """The same for everything that a bank without a URL has not answered."""
        if any(row["id"] == bank and row["bank_url"] for row in await self.participants()):
            raise SwitchError(
                f"{bank} still has a bank URL, it may answer and be sent more: take it away first,"
                f" `switch participant set {bank} --bank-url ''`"
            )
        ended: list[dict[str, Any]] = []
        while rows := await self.bank_calls(bank):
            for payment in dict.fromkeys(row["payment"] for row in rows):
                ended += await self.give_up_calls(bank, payment, reason=reason)
        return ended

    async def participants(self) -> list[dict[str, Any]]:
        """Every participant."""
        return await self._rows("list_participants")

    async def add_key(
        self,
        key_id: str,
        public_key: bytes,
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> None:
        """Trust a participant's key for a time: from now, for the usual validity, unless told."""
        participant, name = split_key_id(key_id)
        begin, end = self._validity(not_before, not_after, limits.KEY_VALIDITY_D)
        await self._do("add_key", participant, name, public_key, begin, end)

    async def revoke_key(self, key_id: str) -> list[str]:
        """Stop trusting a key and what it introduced, on every worker, within a second; which."""
        participant, name = split_key_id(key_id)
        rows = await self._rows("revoke_key", participant, name)
        return [f"{participant}/{revoked}" for revoked in rows[0]["revoked"]]

    async def confirm_key(self, key_id: str) -> None:
        """Let a key stay that another one introduced, whatever becomes of that one."""
        await self._do("confirm_key", *split_key_id(key_id))

    async def keys(self) -> list[dict[str, Any]]:
        """Every key of every participant, and the switch's own, with its public half as PEM."""
        return [
            {
                "key_id": f"{row['participant']}/{row['name']}",
                "not_before": row["not_before"],
                "not_after": row["not_after"],
                "introduced_by": row["introduced_by"]
                and f"{row['participant']}/{row['introduced_by']}",
                "confirmed_at": row["confirmed_at"],
                "revoked_at": row["revoked_at"],
                "last_used_at": row["used_at"],
                "public_key": keyfile.public_pem(row["public_key"]),
            }
            for row in await self._rows("list_keys")
        ]

    async def switch_keys(self) -> list[dict[str, Any]]:
        """The switch's own keys, old ones included."""
        return await self._rows("read_switch_keys")

    async def check_member(self, role: str) -> None:
        """Raise SwitchError when this login may not do what a role is for; any login may ask."""
        if not (await self._rows("is_member", role))[0]["is_member"]:
            raise SwitchError(
                f"the database role of a process may not do its work: GRANT {role} to it"
                " (workers need switch_worker, jobs need switch_jobs)"
            )

    async def check_switch_key(self, key_dir: Path) -> None:
        """Raise SwitchError when there is nothing to sign with now; any role may ask this."""
        now = self._clock.now()
        valid = [
            row for row in await self.switch_keys() if row["not_before"] <= now < row["not_after"]
        ]
        if not any(_is_private_half(key_dir, row["name"], row["public_key"]) for row in valid):
            raise SwitchError(
                f"{key_dir} holds no signing key of the switch that is registered and valid now:"
                " put the file back, or make a new key with `switch key rotate`"
            )

    async def make_first_switch_key(self, key_dir: Path) -> None:
        """Make a signing key if the switch never had one; lost private halves are not replaced."""
        if not await self.switch_keys():
            await self.make_switch_key(key_dir)

    async def make_switch_key(
        self,
        key_dir: Path,
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> PublicKey:
        """Make a signing key of the switch: a file, and its public half in the ledger.

        Unless told otherwise it signs when everybody has read it from the published keys, or at
        once where nothing in `key_dir` can sign until then.
        """
        rows = await self.switch_keys()
        if not_before is None:
            not_before = self._signs_from(rows, key_dir)
        begin, end = self._validity(not_before, not_after, limits.SWITCH_KEY_VALIDITY_D)
        name = _free_name(begin.strftime("%Y-%m-%d"), {row["name"] for row in rows}, key_dir)
        public = keyfile.public_key(_write_switch_key(key_dir, name))
        await self._do("register_switch_key", name, public, begin, end)
        return PublicKey(
            key_id=f"switch/{name}", public_key=public, not_before=begin, not_after=end
        )

    async def end_switch_key(self, key_id: str) -> list[str]:
        """Sign no more with a key of the switch that others may have; it stays published."""
        await self._do("end_switch_key", split_key_id(key_id)[1])
        return [key_id]

    def _signs_from(self, rows: list[dict[str, Any]], key_dir: Path) -> datetime:
        now = self._clock.now()
        later = now + timedelta(seconds=limits.SWITCH_KEY_LEAD_S)
        lasting = [row for row in rows if row["not_before"] <= now and later < row["not_after"]]
        signs_until_then = any(
            _is_private_half(key_dir, row["name"], row["public_key"]) for row in lasting
        )
        return later if signs_until_then else now

    # Tiers and accounts.

    async def set_tier(
        self,
        name: str,
        *,
        currency: str,
        payment_limit: int | None = None,
        daily_limit: int | None = None,
        yearly_limit: int | None = None,
        balance_limit: int | None = None,
        choosable: bool = False,
    ) -> None:
        """Make or change a tier; a limit of None is no limit."""
        of_tier = (payment_limit, daily_limit, yearly_limit, balance_limit)
        await self._do("set_tier", name, currency, *of_tier, choosable)

    async def set_default_tier(self, kind: str, name: str, *, currency: str | None = None) -> None:
        """The tier of new accounts of a kind, in one currency or in all that the tier has."""
        await self._do("set_default_tier", kind, name, currency)

    async def tiers(self) -> list[dict[str, Any]]:
        """Every tier, with the kinds it is the default of."""
        return await self._rows("list_tiers")

    async def open_account(
        self,
        *,
        participant: str,
        kind: str,
        currency: str,
        floor: int = 0,
        tier: str | None = None,
        reference: str | None = None,
    ) -> UUID:
        """Open an account of any kind for a participant; its id."""
        if reference is not None:
            _check_text("--reference", reference, limits.REFERENCE_CHARS_MAX)
        account = ledger.new_id(self._clock.now_us())
        await self._do(
            "operator_open_account", account, participant, kind, currency, floor, tier, reference
        )
        return account

    async def set_account(
        self, account: UUID, *, floor: int | None = None, tier: str | None = None
    ) -> None:
        """Change the floor or the tier; None leaves it."""
        await self._do("set_account", account, floor, tier)

    async def change_account(self, account: UUID, action: str) -> dict[str, Any]:
        """`freeze`, `unfreeze` or `close`; status, frozen_by and why nothing was done."""
        return (await self._rows("operator_change_account", account, action))[0]

    async def account(self, account: UUID) -> Account:
        """An account, whoever holds it."""
        return stored_account((await self._rows("operator_read_account", account))[0])

    # Money.

    # Each of them is done once an id; a new one is made unless it is given to repeat something.

    async def issue(
        self, account: UUID, amount: int, *, reason: str, payment_id: UUID | None = None
    ) -> UUID:
        """Put money into circulation; the id of the payment."""
        made, _ = await self._move("issue_money", payment_id, account, amount, reason=reason)
        return made

    async def redeem(
        self, account: UUID, amount: int, *, reason: str, payment_id: UUID | None = None
    ) -> UUID:
        """Take money out of circulation; the id of the payment."""
        made, _ = await self._move("redeem_money", payment_id, account, amount, reason=reason)
        return made

    async def reverse(
        self, payment: UUID, *, reason: str, payment_id: UUID | None = None
    ) -> tuple[UUID, str]:
        """Undo a mistake by a new transfer the other way; its id and its outcome, or `pending`."""
        made, row = await self._move("reverse_payment", payment_id, payment, reason=reason)
        return made, str(row["outcome"])

    async def find_payment(self, name: str, *, participant: str | None = None) -> UUID:
        """The payment or step with this id, or the one decided under this idempotency key."""
        payment = as_id(name)
        if payment is not None and await self._rows("read_payments", None, [payment]):
            return payment
        claims = await self._rows("find_key_claims", name, participant)
        if not claims:
            whose = "" if participant is None else f" of {participant}"
            raise SwitchError(
                f"there is no payment with id or idempotency key {name!r}{whose}: nothing was"
                " decided under it so far"
            )
        if len(claims) > 1:
            users = ", ".join(claim["participant"] for claim in claims)
            raise SwitchError(
                f"several participants used the key {name!r}: say which with --participant: {users}"
            )
        if claims[0]["operation"] not in CLAIMS_OF_PAYMENTS:
            raise SwitchError(
                f"{claims[0]['participant']} spent the key {name!r} on something other than a"
                " payment: there is nothing to follow"
            )
        return UUID(bytes=claims[0]["subject"].bytes)

    async def timeline(self, payment: UUID) -> Timeline:
        """Everything that is known about a payment and its steps."""
        timeline = await read_timeline(self._rows, None, payment)
        assert timeline is not None, "whoever asks has found it"
        return timeline

    async def fold_credits(self) -> int:
        """Add waiting credits up on their accounts, as the jobs process does; how many."""
        return (await upkeep.fold_credits(self.connection, limits.FOLD_SIZE_MAX)).credits

    async def check_books(self) -> list[dict[str, Any]]:
        """Every deviation from what must hold; empty when the books are right."""
        found = await self._rows("check_books", timeout_s=limits.BOOKS_CHECK_S_MAX)
        for statement in CHECKS:
            found += await self.ask(statement, timeout_s=limits.BOOKS_CHECK_S_MAX)
        await self._do("record_books_check", len(found))
        return found

    async def _move(
        self, query: str, payment_id: UUID | None, *arguments: Any, reason: str
    ) -> tuple[UUID, dict[str, Any]]:
        _check_text("--reason", reason, limits.DESCRIPTION_CHARS_MAX)
        made = payment_id or ledger.new_id(self._clock.now_us())
        settle = (
            f"payment {made} may have been made or not; repeat the command with --id {made},"
            " which does it once"
        )
        rows = await self._rows(query, made, *arguments, reason, settle=settle)
        return made, rows[0]

    async def _do(self, query: str, *arguments: Any) -> None:
        await self._rows(query, *arguments)

    async def _rows(self, query: str, *arguments: Any, **how: Any) -> list[dict[str, Any]]:
        return await self.ask(QUERIES[query], *arguments, **how)

    async def ask(
        self,
        statement: str,
        *arguments: Any,
        timeout_s: float = limits.STATEMENT_WAIT_S,
        settle: str = "look what was done before you repeat it",
    ) -> list[dict[str, Any]]:
        """What a statement returns; `settle` is said where nobody knows whether it was done."""
        try:
            rows = await self._fetch(statement, *arguments, timeout_s=timeout_s)
            return [dict(row) for row in rows]
        except TimeoutError as error:
            slow = f"the database did not answer within {timeout_s:g} s: {settle}"
            raise SwitchError(slow) from error
        except (asyncpg.PostgresError, *doubt.BROKEN) as error:
            if doubt.leaves_doubt(error):
                raise SwitchError(f"the link to the database broke ({error}): {settle}") from error
            raise _for_a_person(error) from error

    async def _fetch(self, statement: str, *arguments: Any, timeout_s: float) -> Any:
        """A statement; again when Postgres rolled it back as a whole to end a deadlock."""
        fetch = partial(self.connection.fetch, statement, *arguments, timeout=timeout_s)
        for _ in range(limits.AUTHORIZE_RETRIES_MAX - 1):
            with suppress(asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                return await fetch()
        return await fetch()

    def _validity(
        self, not_before: datetime | None, not_after: datetime | None, days: int
    ) -> tuple[datetime, datetime]:
        begin = self._clock.now() if not_before is None else not_before
        end = begin + timedelta(days=days) if not_after is None else not_after
        if end <= begin:
            raise SwitchError("a key must end after it begins: give a later --not-after")
        return begin, end


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the operator's connection comes from: a URL, or the embedded database of a folder."""

    admin_database_url: str | None
    data_dir: Path


@asynccontextmanager
async def operator(access: Access, *, check_version: bool = True) -> AsyncIterator[Operator]:
    """An operator's connection; an embedded database that is not running is started for it."""
    async with database_url(access) as url, connected(url, check_version=check_version) as made:
        yield made


@asynccontextmanager
async def database_url(access: Access, *, may_make: bool = False) -> AsyncIterator[str]:
    """The operator's URL, with the embedded database held open while it is used."""
    if access.admin_database_url is not None:
        yield access.admin_database_url
        return
    with using(access.data_dir):
        is_made = await asyncio.to_thread(Home(data_dir=access.data_dir).cluster.is_dir)
    if not is_made and not may_make:
        raise SwitchError(
            f"there is no database in {access.data_dir}: name another --data-dir,"
            " or make one with `switch serve` or `switch migrate`"
        )
    async with embedded.open_database(access.data_dir) as database:
        yield database.url()


@asynccontextmanager
async def connected(url: str, *, check_version: bool = True) -> AsyncIterator[Operator]:
    """An operator's connection to a database that is there."""
    connection = await db.connect(
        url, application_name="switch operator", statement_timeout_s=limits.BOOKS_CHECK_S_MAX
    )
    try:
        if check_version:
            await migrate.check_version(connection, SOURCES)
        yield Operator(connection)
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
        raise SwitchError(
            f"the link to the database broke ({error}): look what was done before you repeat it"
        ) from error
    finally:
        await connection.close(timeout=limits.CONNECT_TIMEOUT_S)


def split_key_id(key_id: str) -> tuple[str, str]:
    """`bank-of-qingdao/2026-11` as its participant and name."""
    participant, slash, name = key_id.partition("/")
    if not (participant and slash and name) or "/" in name:
        raise SwitchError(f"a key id is PARTICIPANT/NAME, for example bank/2026-11, not {key_id!r}")
    return participant, name


def _check_text(option: str, text: str, chars_max: int) -> None:
    """The rule of a participant's message for a text that the operator gives."""
    if not (1 <= len(text) <= chars_max and is_text(text)):
        raise SwitchError(
            f"{option} must have 1 to {chars_max} characters of text, none of them a control"
            " character: write it shorter, or on one line"
        )


def switch_key_path(key_dir: Path, name: str) -> Path:
    """The file of the private half of one of the switch's own keys."""
    return key_dir / f"{name}.pem"


def _is_private_half(key_dir: Path, name: str, public_key: bytes) -> bool:
    path = switch_key_path(key_dir, name)
    with using(key_dir, option="--key-dir"):
        is_there = path.exists()
    return is_there and keyfile.public_key(keyfile.read_private_key(path)) == public_key


def _write_switch_key(key_dir: Path, name: str) -> bytes:
    with using(key_dir, option="--key-dir"):
        key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    seed = keyfile.generate_seed()
    keyfile.write_private_key(switch_key_path(key_dir, name), seed)
    return seed


def _free_name(day: str, taken: set[str], key_dir: Path) -> str:
    for number in range(1, limits.SWITCH_KEYS_PER_DAY_MAX + 1):
        name = day if number == 1 else f"{day}-{number}"
        with using(key_dir, option="--key-dir"):
            is_there = switch_key_path(key_dir, name).exists()
        if name not in taken and not is_there:
            return name
    raise SwitchError(
        f"{limits.SWITCH_KEYS_PER_DAY_MAX} keys were made for {day}: rotate again tomorrow"
    )


def _for_a_person(error: Exception) -> SwitchError:
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        rule = getattr(error, "constraint_name", None)
        return SwitchError(
            f"the ledger does not take this value, nothing was changed (its rule {rule}):"
            " look at what the command's --help allows"
        )
    if isinstance(error, asyncpg.DataError):
        return SwitchError(f"a value does not fit, nothing was done: {error}")
    if (sqlstate := getattr(error, "sqlstate", None)) != REFUSED:
        return SwitchError(f"the ledger failed: {error} (SQLSTATE {sqlstate})")
    return SwitchError(" — ".join(filter(None, (str(error.args[0]), getattr(error, "hint", None)))))
