"""What a bank's server must do, tried with an account of its own.

Whatever the bank decides is right, as long as it stays with it. Only a few checks need an account
that may pay; where the bank declines everything they are skipped and say so.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from switch import limits
from switch.bank_message import (
    DECISIONS,
    Authorization,
    BankAnswer,
    BankPath,
    Credit,
    Reversal,
    decode_answer,
    idempotency_key,
)
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.conformance.forgeries import Forged, forgery_checks
from switch.conformance.player import Asked, Heard, Player
from switch.conformance.report import PASSED, Check, Seen, failed, skipped
from switch.keyfile import PublicKey
from switch.signing import check_reply


class TrialAccount(Struct, frozen=True, kw_only=True):
    """An account at the bank, and how much is asked of it at a time."""

    id: str
    reference: str | None
    currency: str
    amount: int


class BankChecks:
    """The checks of one run against one bank."""

    def __init__(
        self, player: Player, keys: Mapping[str, PublicKey], account: TrialAccount
    ) -> None:
        self._player = player
        self._keys = keys
        self._account = account
        self._may_pay = False  # whether an authorization was approved

    def first(self) -> Check:
        """Without an answer to this there is nothing to judge."""
        return Check(
            name="answers",
            promise="an authorization gets a decision: 200 or 201, approved or declined",
            advice="register the keys that `--print-jwks` prints, look at the URL, and answer with"
            " the members of BankAnswer in /openapi-participant.json",
            run=self._answers,
        )

    def rest(self) -> tuple[Check, ...]:
        """Everything else, in order; the last ones judge all that was answered."""
        return (
            *forgery_checks(self._forged, self._follow),
            *self._of_idempotency(),
            *self._of_decisions(),
            *self._of_reversals(),
            *self._of_bodies(),
            *self._of_all_answers(),
        )

    def _of_idempotency(self) -> tuple[Check, ...]:
        return (
            Check(
                name="repeats-its-answer",
                promise="the same key with the same bytes gets the same bytes again",
                advice="store the decision under its Idempotency-Key before you answer; build a"
                " repeat from what is stored",
                run=self._repeats,
            ),
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

    def _of_decisions(self) -> tuple[Check, ...]:
        return (
            Check(
                name="decides-holds",
                promise="an authorization with capture=false gets a decision too",
                advice="hold the amount until hold_expires_at; events say what is captured of it",
                run=self._decides_holds,
            ),
            Check(
                name="decides-credits",
                promise="a credit is accepted or refused, and stays so",
                advice="answer `accepted` or `refused`, the same for ever",
                run=self._decides_credits,
            ),
            Check(
                name="decides-refunds",
                promise="a credit with a parent, a refund, is accepted or refused, and stays so",
                advice="do not insist on knowing the parent: it may have been long ago",
                run=self._decides_refunds,
            ),
            Check(
                name="ignores-unknown-members",
                promise="a member that is not known today does no harm",
                advice="ignore members that you do not know",
                run=self._ignores_unknown,
            ),
        )

    def _of_reversals(self) -> tuple[Check, ...]:
        advice = "acknowledge every reversal, as often as it comes"
        return (
            Check(
                name="acknowledges-reversals",
                promise="the reversal of a decided authorization is acknowledged, twice as well",
                advice=advice,
                run=self._acknowledges,
            ),
            Check(
                name="acknowledges-unknown-reversals",
                promise="the reversal of an authorization that never came is acknowledged",
                advice=f"{advice}, also of payments that you never saw",
                run=self._acknowledges_unknown,
            ),
            Check(
                name="declines-what-was-reversed",
                promise="an authorization that arrives after its reversal is declined",
                advice="remember reversed payments, and look before you approve",
                run=self._declines_reversed,
            ),
        )

    def _of_bodies(self) -> tuple[Check, ...]:
        return (
            Check(
                name="refuses-large-bodies",
                promise=f"a body over {limits.BODY_BYTES_MAX} bytes is refused",
                advice="bound what you read; answer 413",
                run=self._refuses_large,
            ),
            Check(
                name="refuses-what-is-not-json",
                promise="a signed body that is not JSON is refused, not a fault of the server",
                advice="answer 400",
                run=self._refuses_garbage,
            ),
        )

    def _of_all_answers(self) -> tuple[Check, ...]:
        return (
            Check(
                name="signs-its-answers",
                promise="every decision is signed by a registered key and bound to its request",
                advice='sign "@status" "content-digest" "@method";req "@path";req'
                ' "content-digest";req "idempotency-key";req, with `created` of now, repeats too',
                run=self._signed_all,
            ),
            Check(
                name="says-what-it-was-asked",
                promise="every decision names the payment, amount and currency of its request",
                advice="copy payment, amount and currency from the request",
                run=self._named_all,
            ),
            Check(
                name="answers-in-time",
                promise=f"every decision comes within {limits.BANK_WAIT_S:g} s",
                advice="the payer waits so long; later it is told `pending`, and 30 s after the"
                " payment it is declined and reversed",
                run=self._in_time,
            ),
        )

    # The checks.

    async def _answers(self) -> Seen:
        heard, answer = await self._decided("authorizations", self._authorization())
        if answer is None:
            return failed(heard.short)
        self._may_pay = answer.decision == "approved"
        return PASSED

    async def _repeats(self) -> Seen:
        return await self._stays("authorizations", self._authorization())

    async def _refuses_reused(self) -> Seen:
        asked = self._authorization()
        first, answer = await self._decided("authorizations", asked)
        if answer is None:
            return failed(first.short)
        other = await self._player.ask(
            self._player.target("/authorizations"),
            msgspec.json.encode(replace(asked, amount=asked.amount + 1)),
            idempotency_key("authorizations", asked.payment),
        )
        if not other.is_refusal:
            return failed(f"with another amount it {other.short}")
        again, _ = await self._decided("authorizations", asked)
        if again.body != first.body:
            return failed(f"afterwards the first request was {again.short}")
        return PASSED

    async def _decides_twins_once(self) -> Seen:
        asked = self._authorization()
        await asyncio.gather(
            *(self._ask("authorizations", asked) for _ in range(limits.CONFORMANCE_TWINS))
        )
        settled, answer = await self._decided("authorizations", asked)
        if answer is None:
            return failed(settled.short)
        said = {
            heard.body
            for heard in self._player.kept
            if heard.asked == asked and heard.status in (200, 201)
        }
        return PASSED if len(said) == 1 else failed(f"there were {len(said)} different answers")

    async def _decides_holds(self) -> Seen:
        until = rfc3339(SYSTEM_CLOCK.now() + timedelta(days=1))
        asked = replace(self._authorization(), capture=False, hold_expires_at=until)
        return await self._stays("authorizations", asked)

    async def _decides_credits(self) -> Seen:
        return await self._stays("credits", self._credit())

    async def _decides_refunds(self) -> Seen:
        return await self._stays("credits", replace(self._credit(), parent=str(uuid4())))

    async def _ignores_unknown(self) -> Seen:
        asked = self._authorization()
        members = msgspec.to_builtins(asked) | {"not_known_today": {"to": ["anybody"]}}
        heard = await self._ask("authorizations", asked, msgspec.json.encode(members))
        return PASSED if _answer("authorizations", heard) else failed(heard.short)

    async def _acknowledges(self) -> Seen:
        asked = self._authorization()
        heard, answer = await self._decided("authorizations", asked)
        if answer is None:
            return failed(heard.short)
        return await self._stays("reversals", _reversal(asked))

    async def _acknowledges_unknown(self) -> Seen:
        return await self._stays("reversals", _reversal(self._authorization()))

    async def _declines_reversed(self) -> Seen:
        if not self._may_pay:
            return skipped("the account may not pay: give --account and --amount of one that may")
        asked = self._authorization()
        heard, answer = await self._decided("reversals", _reversal(asked))
        if answer is None:
            return failed(heard.short)
        heard, answer = await self._decided("authorizations", asked)
        if answer is None or answer.decision != "declined":
            return failed(heard.short)
        return PASSED

    async def _refuses_large(self) -> Seen:
        asked = self._authorization()
        large = replace(asked, description="x" * limits.BODY_BYTES_MAX)
        heard = await self._player.ask(
            self._player.target("/authorizations"),
            msgspec.json.encode(large),
            idempotency_key("authorizations", asked.payment),
        )
        if heard.status is not None and not heard.is_refusal:
            return failed(heard.short)
        fault = await self._still_answers()
        return PASSED if fault is None else failed(fault)

    async def _refuses_garbage(self) -> Seen:
        heard = await self._player.ask(
            self._player.target("/authorizations"), b'{"payment":', f"authorizations-{uuid4()}"
        )
        return PASSED if heard.is_refusal else failed(heard.short)

    async def _signed_all(self) -> Seen:
        for heard in self._decisions():
            fault = check_reply(
                status=heard.status or 0,
                headers=heard.headers,
                body=heard.body,
                bound=heard.bound,
                keys=self._keys,
                now_us=SYSTEM_CLOCK.now_us(),
            )
            if fault is not None:
                return failed(fault.detail)
        return PASSED

    async def _named_all(self) -> Seen:
        for heard in self._decisions():
            answer = decode_answer(heard.body)
            asked = heard.asked
            assert answer is not None, "these are decisions"
            assert asked is not None, "a bank is asked about a payment"
            for name in ("payment", "amount", "currency"):
                said, meant = getattr(answer, name), getattr(asked, name)
                if said != meant:
                    return failed(f"{name} is {said}, and was asked as {meant}")
        return PASSED

    async def _in_time(self) -> Seen:
        slowest_s = max((heard.took_s for heard in self._decisions()), default=0.0)
        if slowest_s > limits.BANK_WAIT_S:
            return failed(f"the slowest came after {slowest_s:.1f} s")
        return PASSED

    # What they are made of.

    def _decisions(self) -> list[Heard]:
        """All answers of this run that are decisions about what was asked."""
        return [
            heard
            for heard in self._player.kept
            if heard.asked is not None
            and heard.status in (200, 201)
            and decode_answer(heard.body) is not None
        ]

    async def _stays(self, path: BankPath, asked: Asked) -> Seen:
        """Whether something is decided, and again in the same bytes."""
        first, answer = await self._decided(path, asked)
        if answer is None:
            return failed(first.short)
        again, answer = await self._decided(path, asked)
        if answer is None or again.body != first.body:
            return failed(f"first it {first.short}, then it {again.short}")
        return PASSED

    async def _still_answers(self) -> str | None:
        heard, answer = await self._decided("authorizations", self._authorization())
        return None if answer else f"afterwards: {heard.short}"

    async def _decided(self, path: BankPath, asked: Asked) -> tuple[Heard, BankAnswer | None]:
        heard = await self._ask(path, asked)
        return heard, _answer(path, heard)

    async def _ask(self, path: BankPath, asked: Asked, body: bytes | None = None) -> Heard:
        return await self._player.ask(
            self._player.target(f"/{path}"),
            msgspec.json.encode(asked) if body is None else body,
            idempotency_key(path, asked.payment),
            asked,
        )

    def _forged(self) -> Forged:
        asked = self._authorization()
        return Forged(
            player=self._player,
            target=self._player.target("/authorizations"),
            body=msgspec.json.encode(asked),
            key=idempotency_key("authorizations", asked.payment),
            other_body=msgspec.json.encode(replace(asked, amount=asked.amount + 1)),
        )

    async def _follow(self, forged: Forged) -> str | None:
        asked = msgspec.json.decode(forged.body, type=Authorization)
        heard, answer = await self._decided(
            "authorizations", replace(asked, reference="after a forgery")
        )
        return None if answer else heard.short

    def _authorization(self) -> Authorization:
        now = SYSTEM_CLOCK.now()
        return Authorization(
            **self._common(),
            payee=str(uuid4()),
            capture=True,
            hold_expires_at=None,
            deadline=rfc3339(now + timedelta(seconds=limits.BANK_DEADLINE_S)),
        )

    def _credit(self) -> Credit:
        return Credit(**self._common(), parent=None, payer=str(uuid4()))

    def _common(self) -> dict[str, Any]:
        account = self._account
        return {
            "payment": str(uuid4()),
            "type": "purchase",
            "account": account.id,
            "account_reference": account.reference,
            "amount": account.amount,
            "currency": account.currency,
            "reference": "conformance",
            "payee_reference": None,
            "description": None,
            "created_at": rfc3339(SYSTEM_CLOCK.now()),
        }


def _reversal(asked: Authorization) -> Reversal:
    return Reversal(
        payment=asked.payment,
        account=asked.account,
        account_reference=asked.account_reference,
        amount=asked.amount,
        currency=asked.currency,
        reason="issuer_timeout",
        created_at=rfc3339(SYSTEM_CLOCK.now()),
    )


def _answer(path: BankPath, heard: Heard) -> BankAnswer | None:
    """The decision in an answer, when it is one of this path; who signed it is not looked at."""
    if heard.status not in (200, 201):
        return None
    answer = decode_answer(heard.body)
    return answer if answer is not None and answer.decision in DECISIONS[path] else None
