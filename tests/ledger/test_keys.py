"""Keys in the ledger: who may add one, what revoking takes along, when a key was last used."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from switch import keyfile, limits
from switch.admin import Operator
from switch.errors import SwitchError
from tests.databases import WORKER, Database
from tests.ledger.city import City, Participant

INTRODUCE = """
    SELECT disposition, refusal, days_max, (introduced).*
      FROM ledger.introduce_key($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
REVOKE = "SELECT disposition, (operation).* FROM ledger.revoke_own_key($1, $2, $3, $4, $5, $6)"
USE = "SELECT ledger.record_key_uses($1, $2, $3)"
KEY = "SELECT * FROM ledger.participant_key WHERE participant_no = $1 AND name = $2"
COUNT = "SELECT count(*) FROM ledger.participant_key WHERE participant_no = $1"
LIVE = """
    SELECT name FROM ledger.participant_key WHERE participant_no = $1 AND revoked_at IS NULL
"""
VERSION = "SELECT version FROM ledger.participants_version"
REFUSED = asyncpg.InsufficientPrivilegeError
DAY = timedelta(days=1)


def public_key() -> bytes:
    """Of a pair that nobody keeps."""
    return keyfile.public_key(keyfile.generate_seed())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """One participant's keys: changed by the workers' login as by its messages."""

    admin: asyncpg.Connection
    worker: asyncpg.Connection
    owner: Participant

    async def add(
        self, name: str, begins_in: timedelta = -DAY, ends_in: timedelta = 30 * DAY
    ) -> None:
        """The operator adds a key."""
        now = datetime.now(UTC)
        await self.admin.execute(
            "SELECT ledger.add_key($1, $2, $3, $4, $5)",
            self.owner.id, name, public_key(), now + begins_in, now + ends_in,
        )  # fmt: skip

    async def introduce(self, name: str, by: str, **more: Any) -> asyncpg.Record:
        """One key introduces another; `more` is what differs from an ordinary message."""
        row = await self.worker.fetchrow(
            INTRODUCE,
            more.get("owner_no", self.owner.no), more.get("key", uuid4().hex),
            hashlib.sha256(more.get("body", name).encode()).digest(), uuid4(), by, name,
            more.get("public_key") or public_key(), more.get("not_before"), more.get("not_after"),
            limits.PARTICIPANT_KEYS_MAX,
        )  # fmt: skip
        assert row is not None
        return row

    async def revoke(self, name: str, by: str, key: str | None = None) -> asyncpg.Record:
        """One key signs that another is revoked."""
        digest = hashlib.sha256(f"revoke {name}".encode()).digest()
        row = await self.worker.fetchrow(
            REVOKE, self.owner.no, key or uuid4().hex, digest, uuid4(), name, by
        )
        assert row is not None
        return row

    async def key(self, name: str) -> asyncpg.Record | None:
        """Its row."""
        return await self.admin.fetchrow(KEY, self.owner.no, name)

    async def live(self) -> set[str]:
        """The names of those that are not revoked."""
        return {row[0] for row in await self.admin.fetch(LIVE, self.owner.no)}

    async def refusal(self, name: str, by: str, **more: Any) -> str | None:
        """Why nothing was introduced, and that it was not."""
        before = await self.admin.fetchval(COUNT, self.owner.no)
        key = uuid4().hex
        row = await self.introduce(name, by, key=key, **more)
        assert (row["disposition"], row["name"]) == (None, None)
        assert await self.admin.fetchval(COUNT, self.owner.no) == before
        spent = await self.admin.fetchval(
            "SELECT count(*) FROM ledger.key_claim WHERE key = $1", key
        )
        assert spent == 0, "a refusal spends no idempotency key"
        return str(row["refusal"])


@pytest_asyncio.fixture(loop_scope="session")
async def ring(city: City, admin: asyncpg.Connection, database: Database) -> AsyncIterator[Ring]:
    """A wallet provider with one key of the operator's, `one`."""
    worker = await database.connect(WORKER)
    made = Ring(admin=admin, worker=worker, owner=await city.participant("wallet"))
    await made.add("one")
    yield made
    await worker.close()


async def test_a_valid_key_introduces_another(ring: Ring) -> None:
    """The new key says who introduced it; the workers are told."""
    before = await ring.admin.fetchval(VERSION)
    row = await ring.introduce("two", "one")
    assert (row["disposition"], row["introduced_by"]) == (0, "one")
    stored = await ring.key("two")
    assert stored is not None
    assert (stored["introduced_by"], stored["revoked_at"]) == ("one", None)
    assert await ring.admin.fetchval(VERSION) == before + 1
    assert (await ring.introduce("three", "two"))["introduced_by"] == "two"


async def test_the_workers_add_a_key_in_no_other_way(ring: Ring) -> None:
    """P7: neither the table nor the operator's functions are theirs; only introducing is."""
    for statement in (
        f"SELECT ledger.add_key('{ring.owner.id}', 'x', sha256('x'), now(), now() + '1 day')",
        "INSERT INTO ledger.participant_key (participant_no) VALUES (1)",
        "UPDATE ledger.participant_key SET public_key = sha256('x')",
        f"SELECT ledger.confirm_key('{ring.owner.id}', 'one')",
        "SELECT ledger.set_key_validity_max(3660)",
        "UPDATE ledger.setting SET value = '3660'",
        "SELECT ledger.revoke_with_introduced(1, 'one', null, now())",
    ):
        with pytest.raises(REFUSED):
            await ring.worker.execute(statement)
    assert await ring.live() == {"one"}


async def test_a_key_that_may_not_introduce(ring: Ring, city: City) -> None:
    """One that is unknown, revoked, not yet or no longer valid, or somebody else's adds nothing."""
    await ring.add("early", begins_in=DAY)
    await ring.add("late", begins_in=-2 * DAY, ends_in=-DAY)
    await ring.add("revoked")
    await ring.revoke("revoked", "one")
    stranger = Ring(admin=ring.admin, worker=ring.worker, owner=await city.participant("bank"))
    await stranger.add("theirs")
    for introducer in ("none", "early", "late", "revoked", "theirs"):
        assert await ring.refusal("new", introducer) == "introducer_not_valid"
    assert await ring.refusal("new", "one", owner_no=0) == "introducer_not_valid"
    assert (await stranger.introduce("new", "theirs"))["disposition"] == 0


async def test_a_suspended_participant_introduces_nothing(ring: Ring) -> None:
    """Not even when the worker has not heard of it; it may revoke."""
    await ring.admin.execute("SELECT ledger.set_participant_status($1, 'suspended')", ring.owner.id)
    assert await ring.refusal("two", "one") == "suspended"
    assert (await ring.revoke("one", "one"))["revoked"] == ["one"]


async def test_the_longest_validity_is_the_operators(ring: Ring) -> None:
    """Unless told, a key is good for the maximum from now; longer is refused, by the ledger."""
    row = await ring.introduce("whole", "one")
    assert row["days_max"] == limits.KEY_VALIDITY_D
    assert row["not_after"] - row["created_at"] == limits.KEY_VALIDITY_D * DAY
    assert row["not_before"] == row["created_at"]
    now = datetime.now(UTC)
    try:
        await ring.admin.execute("SELECT ledger.set_key_validity_max(7)")
        assert (await ring.introduce("week", "one"))["days_max"] == 7
        assert await ring.refusal("long", "one", not_after=now + 8 * DAY) == "too_long"
        later = {"not_before": now + 6 * DAY, "not_after": now + 8 * DAY}
        assert await ring.refusal("later", "one", **later) == "too_long", "counted from now"
        assert (await ring.introduce("fits", "one", not_after=now + 6 * DAY))["disposition"] == 0
    finally:
        await ring.admin.execute("SELECT ledger.set_key_validity_max($1)", limits.KEY_VALIDITY_D)
    for days in (0, limits.KEY_VALIDITY_D_MAX + 1, None):
        with pytest.raises(asyncpg.PostgresError, match="cannot be good"):
            await ring.admin.execute("SELECT ledger.set_key_validity_max($1)", days)


async def test_a_key_that_would_never_be_valid(ring: Ring) -> None:
    """It must end after it begins, and after now."""
    now = datetime.now(UTC)
    assert await ring.refusal("x", "one", not_after=now - DAY) == "never_valid"
    backwards = {"not_before": now + 2 * DAY, "not_after": now + DAY}
    assert await ring.refusal("x", "one", **backwards) == "never_valid"


async def test_names_and_public_keys_are_used_once(ring: Ring, city: City) -> None:
    """A name of a participant, and a public key of anybody, the switch included."""
    known = public_key()
    await ring.introduce("two", "one", public_key=known)
    assert await ring.refusal("two", "one") == "name_taken"
    await ring.revoke("two", "one")
    assert await ring.refusal("two", "one") == "name_taken", "a revoked one too"
    assert await ring.refusal("three", "one", public_key=known) == "public_key_taken"
    other = Ring(admin=ring.admin, worker=ring.worker, owner=await city.participant("bank"))
    await other.add("one")
    assert await other.refusal("two", "one", public_key=known) == "public_key_taken"
    own = public_key()
    await ring.admin.execute(
        "SELECT ledger.register_switch_key($1, $2, now(), now() + interval '1 day')",
        uuid4().hex, own,
    )  # fmt: skip
    assert await other.refusal("two", "one", public_key=own) == "public_key_taken"
    assert (await other.introduce("two", "one"))["disposition"] == 0


async def test_the_same_public_key_by_two_at_once_is_registered_once(
    ring: Ring, city: City, database: Database
) -> None:
    """Whoever comes second is refused, and has its idempotency key still."""
    known = public_key()
    rings = [ring]
    for _ in range(3):
        made = Ring(
            admin=ring.admin,
            worker=await database.connect(WORKER),
            owner=await city.participant("bank"),
        )
        await made.add("one")
        rings.append(made)
    rows = await asyncio.gather(
        *(one.introduce("two", "one", public_key=known, key="same") for one in rings)
    )
    assert sorted(str(row["refusal"]) for row in rows) == ["None"] + ["public_key_taken"] * 3
    claims = await ring.admin.fetchval(
        "SELECT count(*) FROM ledger.key_claim WHERE key = 'same' AND participant_no = ANY ($1)",
        [one.owner.no for one in rings],
    )
    assert claims == 1
    for one in rings[1:]:
        await one.worker.close()


async def test_a_participant_has_a_bounded_number_of_keys(ring: Ring) -> None:
    """Over it nothing is added until one is revoked or ends."""
    for number in range(limits.PARTICIPANT_KEYS_MAX - 1):
        assert (await ring.introduce(f"n{number}", "one"))["disposition"] == 0
    assert await ring.refusal("more", "one") == "too_many"
    await ring.revoke("n0", "one")
    assert (await ring.introduce("more", "one"))["disposition"] == 0


async def test_an_introduction_is_made_once_a_key(ring: Ring, database: Database) -> None:
    """Four at once make one; a repeat is answered whatever became of it; other bytes are not."""
    known = public_key()
    workers = [await database.connect(WORKER) for _ in range(4)]
    rings = [Ring(admin=ring.admin, worker=worker, owner=ring.owner) for worker in workers]
    rows = await asyncio.gather(
        *(one.introduce("two", "one", key="k", public_key=known) for one in rings)
    )
    assert sorted(row["disposition"] for row in rows) == [0, 1, 1, 1]
    assert len({tuple(row)[3:] for row in rows}) == 1
    for worker in workers:
        await worker.close()
    await ring.revoke("one", "one")
    again = await ring.introduce("two", "one", key="k", public_key=known)
    assert (again["disposition"], again["created_at"]) == (1, rows[0]["created_at"])
    other = await ring.introduce("three", "one", key="k", body="other")
    assert (other["disposition"], other["name"]) == (2, None)
    assert (await ring.revoke("two", "two", key="k"))["disposition"] == 2


async def test_revoking_takes_along_what_was_introduced(ring: Ring) -> None:
    """All that stems from a key, at one moment, and nothing else; what is confirmed stays."""
    await ring.add("other")
    for name, by in (("a", "one"), ("b", "a"), ("c", "b"), ("kept", "b"), ("d", "kept"),
                     ("e", "other")):  # fmt: skip
        await ring.introduce(name, by)
    await ring.admin.execute("SELECT ledger.confirm_key($1, 'kept')", ring.owner.id)
    row = await ring.revoke("a", "e")
    assert (row["disposition"], row["revoked"]) == (0, ["a", "b", "c"])
    assert await ring.live() == {"one", "other", "kept", "d", "e"}
    rows = [await ring.key(name) for name in ("a", "b", "c")]
    assert {(one["revoked_at"], one["revoked_by"]) for one in rows if one} == {
        (row["decided_at"], "e")
    }
    assert (await ring.revoke("a", "e"))["revoked"] == []
    assert (await ring.revoke("none", "e"))["disposition"] == 4


async def test_a_revocation_is_answered_once_a_key(ring: Ring) -> None:
    """A repeat says what the first time came to, and revokes nothing more."""
    await ring.introduce("two", "one")
    first = await ring.revoke("two", "one", key="r")
    again = await ring.revoke("two", "one", key="r")
    assert (first["disposition"], again["disposition"]) == (0, 1)
    assert tuple(first)[1:] == tuple(again)[1:]


async def test_what_the_operator_revokes_and_confirms(ring: Ring) -> None:
    """The operator's revocation takes along the same keys; only a live introduced key is kept."""
    operator = Operator(ring.admin)
    owner = ring.owner.id
    await ring.introduce("two", "one")
    await ring.introduce("three", "two")
    await operator.confirm_key(f"{owner}/three")
    await operator.confirm_key(f"{owner}/three")
    assert await operator.revoke_key(f"{owner}/one") == [f"{owner}/one", f"{owner}/two"]
    assert await operator.revoke_key(f"{owner}/one") == []
    assert await ring.live() == {"three"}
    for name, words in (("two", "revoked"), ("none", "no key")):
        with pytest.raises(SwitchError, match=words):
            await operator.confirm_key(f"{owner}/{name}")
    await ring.add("added")
    with pytest.raises(SwitchError, match="nothing to confirm"):
        await operator.confirm_key(f"{owner}/added")


async def test_any_history_of_keys_revokes_what_the_model_says(
    ring: Ring, seed: int, long_run: bool
) -> None:
    """Introduced, confirmed and revoked at random: the keys that live are those of the model."""
    choose = random.Random(f"{seed} keys")
    parents: dict[str, str | None] = {"one": None}
    live, confirmed = {"one"}, set[str]()

    def stems_from(name: str, root: str) -> bool:
        if name == root:
            return True
        parent = parents[name]
        return parent is not None and name not in confirmed and stems_from(parent, root)

    for step in range(400 if long_run else 80):
        action = choose.choice(["add", "introduce", "introduce", "introduce", "confirm", "revoke"])
        name = choose.choice(sorted(live or parents))
        if action == "add" or not live:
            await ring.add(f"n{step}")
            parents[f"n{step}"] = None
            live.add(f"n{step}")
        elif action == "introduce" and len(live) < limits.PARTICIPANT_KEYS_MAX:
            await ring.introduce(f"n{step}", name)
            parents[f"n{step}"] = name
            live.add(f"n{step}")
        elif action == "confirm" and parents[name] is not None:
            await ring.admin.execute("SELECT ledger.confirm_key($1, $2)", ring.owner.id, name)
            confirmed.add(name)
        elif action == "revoke":
            gone = {one for one in live if stems_from(one, name)}
            assert set((await ring.revoke(name, name))["revoked"]) == gone
            live -= gone
        assert await ring.live() == live, f"after {step} steps"


async def test_what_was_decided_about_keys_is_not_rewritten(ring: Ring) -> None:
    """Not even the owner changes what an operation came to."""
    await ring.introduce("two", "one")
    for statement in (
        "UPDATE ledger.key_operation SET name = 'one'",
        "DELETE FROM ledger.key_operation",
        "TRUNCATE ledger.key_operation",
    ):
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await ring.admin.execute(statement)


async def test_the_last_use_never_goes_back(ring: Ring) -> None:
    """Workers tell what they saw in any order; the latest counts, and a stranger's is passed by."""
    early, late = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    no = ring.owner.no
    for used_at in (early, late, early):
        await ring.worker.execute(USE, [no, no], ["one", "none"], [used_at, used_at])
    rows = await ring.admin.fetch("SELECT * FROM ledger.key_use WHERE participant_no = $1", no)
    assert [(row["name"], row["used_at"]) for row in rows] == [("one", late)]
    listed = {row["key_id"]: row for row in await Operator(ring.admin).keys()}
    assert listed[f"{ring.owner.id}/one"]["last_used_at"] == late
