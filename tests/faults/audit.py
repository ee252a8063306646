"""The audit after a disaster: what participants know, what the ledger holds, and what must agree.

The ledger is read as the operator from outside; balances are computed here, from what the
participants were told alone; the switch's own check of the books comes last.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec

from tests.faults.city import Account, Switch
from tests.faults.journal import Journal, Message
from tests.faults.load import CONNECTION_COUNT, Load, attempt
from tests.faults.wire import Word
from tests.integration import running
from tests.integration.running import until

SETTLE_S_MAX = 300.0  # thousands of repeats on a machine that others use too
PAUSE_S = 0.1  # between two attempts
SHOWN_MAX = 5

# Every decision of a participant's message; the operator's own movements have types above 100.
PAYMENTS = """
    SELECT p.id AS participant, y.key, y.id, y.payer, y.payee, y.amount, o.name AS outcome
      FROM ledger.payment y
      JOIN ledger.participant p USING (participant_no)
      JOIN ledger.outcome o ON o.code = y.outcome
     WHERE y.type <= 100
"""
CLAIMS = """
    SELECT p.id AS participant, c.key, c.subject, c.digest
      FROM ledger.key_claim c
      JOIN ledger.participant p USING (participant_no)
     WHERE EXISTS (SELECT FROM ledger.payment y WHERE y.id = c.subject AND y.type <= 100)
        OR c.key = ANY ($1)
"""

Name = tuple[str, str]  # of a message: who sent it, and its key


async def audit(load: Load) -> None:
    """All of it; what an earlier audit has repeated is only compared in the ledger again."""
    switch, journal = load.switch, load.journal
    print(dict(journal.details))  # shown with a failure
    await until(switch.is_ready, "workers, jobs and ledger are ready again")
    _no_faults(journal)
    before = await read_ledger(switch, journal)
    await settle(switch, journal)
    _no_faults(journal)
    after = await read_ledger(switch, journal)
    _nothing_undone(before, after)
    _every_decision_was_told(journal, after)
    _told_as_decided(journal, after)
    await _repeats_are_the_same(switch, journal, journal.answered[load.audited_count :])
    assert (await read_ledger(switch, journal)).keys() == after.keys(), "a repeat decided something"
    await _balances_follow_from_the_answers(switch, journal)
    books = await running.switch("check-books", "--data-dir", switch.city.data_dir)
    assert books.code == 0, books
    unforeseen = [line for line in switch.messages.splitlines() if "Traceback" in line]
    assert not unforeseen, unforeseen[0].replace("\\n", "\n")
    load.audited_count = len(journal.answered)
    load.is_sound = True


async def settle(switch: Switch, journal: Journal) -> None:
    """Send what is unknown again, with the same key, until each has its decision."""
    await _with_all(switch, journal, journal.open_messages())
    assert not journal.open_messages()


async def _with_all(switch: Switch, journal: Journal, messages: Sequence[Message]) -> None:
    """Send these until each was answered with its decision."""
    waiting = list(messages)

    async def send_some() -> None:
        connection = switch.connection()
        while waiting:
            message = waiting.pop()
            if await attempt(connection, journal, message) is not Word.DECIDED:
                waiting.append(message)
                await asyncio.sleep(PAUSE_S)
        connection.close()

    try:
        async with asyncio.timeout(SETTLE_S_MAX), asyncio.TaskGroup() as group:
            for _ in range(CONNECTION_COUNT):
                group.create_task(send_some())
    except TimeoutError:
        raise AssertionError(f"{len(waiting)} still unanswered: {journal.details}") from None


def _no_faults(journal: Journal) -> None:
    assert not journal.faults, journal.faults[:SHOWN_MAX]


async def read_ledger(switch: Switch, journal: Journal) -> dict[Name, asyncpg.Record]:
    """Every decision in the ledger by its name; none twice, none that nobody sent."""
    connection = await switch.operator_connection()
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            payments = await connection.fetch(PAYMENTS)
            claims = await connection.fetch(CLAIMS, [key for _, key in journal.messages])
    finally:
        await connection.close()
    names = Counter((row["participant"], row["key"]) for row in payments)
    assert not [name for name, count in names.items() if count > 1], "decided twice"
    unsent = names.keys() - journal.messages.keys()
    assert not unsent, f"nobody sent {sorted(unsent)[:SHOWN_MAX]}"
    claimed = {(row["participant"], row["key"]): row for row in claims}
    assert claimed.keys() == names.keys(), "every claim has its payment, every payment its claim"
    found = {(row["participant"], row["key"]): row for row in payments}
    for name, claim in claimed.items():
        assert claim["digest"] == hashlib.sha256(journal.messages[name].body).digest(), name
        assert claim["subject"] == found[name]["id"], name
    undecided = [name for name in found if journal.messages[name].is_surely_undecided]
    assert not undecided, f"answered as not decided, and decided: {undecided[:SHOWN_MAX]}"
    return found


def _nothing_undone(before: dict[Name, asyncpg.Record], after: dict[Name, asyncpg.Record]) -> None:
    changed = [name for name, row in before.items() if after.get(name) != row]
    assert not changed, f"history was rewritten: {changed[:SHOWN_MAX]}"


def _every_decision_was_told(journal: Journal, ledger: dict[Name, asyncpg.Record]) -> None:
    """After the outcome of all was asked for, the ledger and the answers are the same set."""
    told = {(message.sender, message.key) for message in journal.answered}
    lost, untold = told - ledger.keys(), ledger.keys() - told
    assert not lost, f"answered and lost: {sorted(lost)[:SHOWN_MAX]}"
    assert not untold, f"decided and never told: {sorted(untold)[:SHOWN_MAX]}"


def _told_as_decided(journal: Journal, ledger: dict[Name, asyncpg.Record]) -> None:
    for message in journal.answered:
        row, told = ledger[message.sender, message.key], message.decided
        assert UUID(told["id"]) == row["id"], told
        assert (told["reason"] or "approved") == row["outcome"], told
        assert told["amount"] == row["amount"], told
        assert (told["payer"], told["payee"]) == (str(row["payer"]), str(row["payee"])), told


async def _repeats_are_the_same(
    switch: Switch, journal: Journal, messages: Sequence[Message]
) -> None:
    """Every answer is given again, byte for byte, as a repeat."""
    firsts = sum(message.firsts for message in messages)
    await _with_all(switch, journal, messages)
    _no_faults(journal)
    assert firsts == sum(message.firsts for message in messages), "a repeat was decided anew"


async def _balances_follow_from_the_answers(switch: Switch, journal: Journal) -> None:
    """What each account holds is what it was founded with and what the answers say since."""
    moved: Counter[str] = Counter()
    for message in journal.answered:
        told = message.decided
        if told["status"] == "completed":
            moved[told["payer"]] -= told["amount"]
            moved[told["payee"]] += told["amount"]
    for account in switch.city.accounts:
        balance = await _balance(switch, account)
        expected = account.founded_with + moved[account.id]
        assert balance == expected, f"{account.kind} {account.id} has {balance}, not {expected}"


async def _balance(switch: Switch, account: Account) -> int:
    """As its holder reads it over HTTP."""
    connection = switch.connection()
    balance = 0

    async def is_read() -> bool:
        nonlocal balance
        signer = switch.city.signers[account.holder]
        reply = await connection.send(signer, "GET", f"/v1/accounts/{account.id}")
        if reply.status == 200:
            balance = msgspec.json.decode(reply.body)["balance"]
        return reply.status == 200

    try:
        await until(is_read, f"account {account.id} is read")
    finally:
        connection.close()
    return balance
