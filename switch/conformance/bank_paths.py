"""What holds at each of a bank's paths, and is tried at each: a bank may guard one and not another.

Forgeries, used keys, copies side by side, bodies out of the ordinary, and a new key of the switch:
that comes last, because a server that trips over it may refuse everything from then on.
"""

import asyncio
from typing import Any

import msgspec
from msgspec.structs import replace

from switch import limits
from switch.bank_message import BankPath, idempotency_key
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.conformance.bodies import body_checks
from switch.conformance.forgeries import Forged, Forgery, forge, forgery_checks
from switch.conformance.interview import Interview, decision
from switch.conformance.new_key import new_key_check
from switch.conformance.publication import Publication
from switch.conformance.report import Check, Seen
from switch.signature import SigningKey


class PathChecks:
    """The checks that are the same for all paths."""

    def __init__(self, interview: Interview, publication: Publication | None) -> None:
        self._interview = interview
        self._publication = publication

    def checks(self) -> tuple[Check, ...]:
        """All of them, in order."""
        return (
            *forgery_checks(self._refuses),
            *self._of_idempotency(),
            *body_checks(
                unknown_member=self._ignores_unknown,
                too_large=self._refuses_large,
                no_json=self._refuses_garbage,
            ),
            new_key_check(self._interview.player.key, self._publication, self._takes),
        )

    def _of_idempotency(self) -> tuple[Check, ...]:
        return (
            Check(
                name="refuses-reused-key",
                promise="the same key with other bytes is refused, and changes nothing",
                advice="store the digest of the body beside the decision; answer 422",
                run=self._refuses_reused,
            ),
            Check(
                name="twins-get-one-decision",
                promise=f"{limits.CONFORMANCE_TWINS} copies side by side get one decision",
                advice="claim the key before you decide, for example by a unique index",
                run=self._decides_twins_once,
            ),
        )

    async def _refuses(self, forgery: Forgery) -> Seen:
        return await self._interview.everywhere(lambda path: self._forged_at(path, forgery))

    async def _refuses_reused(self) -> Seen:
        return await self._interview.everywhere(self._reused_at)

    async def _decides_twins_once(self) -> Seen:
        return await self._interview.everywhere(self._twins_at)

    async def _ignores_unknown(self) -> Seen:
        return await self._interview.everywhere(self._unknown_at)

    async def _refuses_large(self) -> Seen:
        return await self._interview.everywhere(self._large_at)

    async def _refuses_garbage(self) -> Seen:
        return await self._interview.everywhere(self._garbage_at)

    async def _takes(self, key: SigningKey) -> str | None:
        """What went wrong when the switch signs by this key, at the first path where it did."""

        async def taken_at(path: BankPath) -> str | None:
            heard, answer = await self._interview.decided(
                path, await self._interview.question(path), key=key
            )
            return None if answer else heard.short

        seen = await self._interview.everywhere(taken_at)
        return seen.detail if seen.outcome == "failed" else None

    # At one path: what went wrong, if anything did.

    async def _forged_at(self, path: BankPath, forgery: Forgery) -> str | None:
        asked = await self._interview.question(path)
        forged = Forged(
            player=self._interview.player,
            target=self._interview.target(path),
            body=msgspec.json.encode(asked),
            key=idempotency_key(path, asked.payment),
            other_body=msgspec.json.encode(replace(asked, amount=asked.amount + 1)),
        )

        async def follow() -> str | None:
            later = replace(asked, created_at=rfc3339(SYSTEM_CLOCK.now()))
            heard, answer = await self._interview.decided(path, later)
            return None if answer else heard.short

        return await forge(forgery, forged, follow)

    async def _reused_at(self, path: BankPath) -> str | None:
        asked = await self._interview.question(path)
        first, answer = await self._interview.decided(path, asked)
        if answer is None:
            return first.short
        other = await self._interview.player.ask(
            self._interview.target(path),
            msgspec.json.encode(replace(asked, amount=asked.amount + 1)),
            idempotency_key(path, asked.payment),
        )
        if not other.is_refusal:
            return f"with another amount it {other.short}"
        again, _ = await self._interview.decided(path, asked)
        if again.body != first.body:
            return f"afterwards the first request was {again.short}"
        return None

    async def _twins_at(self, path: BankPath) -> str | None:
        asked = await self._interview.question(path)
        await asyncio.gather(
            *(self._interview.ask(path, asked) for _ in range(limits.CONFORMANCE_TWINS))
        )
        settled, answer = await self._interview.decided(path, asked)
        if answer is None:
            return settled.short
        said = {
            heard.body
            for heard in self._interview.player.kept
            if heard.asked == asked and heard.status in (200, 201)
        }
        return None if len(said) == 1 else f"there were {len(said)} different answers"

    async def _unknown_at(self, path: BankPath) -> str | None:
        asked = await self._interview.question(path)
        body = _with_a_member(asked, {"to": ["anybody"]})
        heard = await self._interview.ask(path, asked, body=body)
        return None if decision(path, heard) else heard.short

    async def _large_at(self, path: BankPath) -> str | None:
        asked = await self._interview.question(path)
        heard = await self._interview.player.ask(
            self._interview.target(path),
            _with_a_member(asked, "x" * limits.BODY_BYTES_MAX),
            idempotency_key(path, asked.payment),
        )
        if heard.status is not None and not heard.is_refusal:
            return heard.short
        heard, answer = await self._interview.decided(path, await self._interview.question(path))
        return None if answer else f"afterwards it {heard.short}"

    async def _garbage_at(self, path: BankPath) -> str | None:
        asked = await self._interview.question(path)
        heard = await self._interview.player.ask(
            self._interview.target(path), b'{"payment":', idempotency_key(path, asked.payment)
        )
        return None if heard.is_refusal else heard.short


def _with_a_member(asked: msgspec.Struct, value: Any) -> bytes:
    """A request with one member more than are known today."""
    return msgspec.json.encode(msgspec.to_builtins(asked) | {"not_known_today": value})
