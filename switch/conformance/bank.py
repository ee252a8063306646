"""What a bank's server must do, tried with an account of its own.

Whatever the bank decides is right, as long as it stays with it. Only a few checks need an account
that may pay; where the bank declines everything they are skipped and say so.
"""

from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

from msgspec.structs import replace

from switch import limits
from switch.bank_message import decode_answer
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.conformance.bank_paths import PathChecks
from switch.conformance.interview import Interview, TrialAccount, reversal_of
from switch.conformance.player import Heard, Player
from switch.conformance.publication import Publication
from switch.conformance.report import PASSED, Check, Seen, failed, skipped
from switch.keyfile import PublicKey
from switch.signing import check_reply


class BankChecks:
    """The checks of one run against one bank."""

    def __init__(
        self,
        player: Player,
        keys: Mapping[str, PublicKey],
        account: TrialAccount,
        publication: Publication | None,
    ) -> None:
        self._interview = Interview(player, account)
        self._at_each_path = PathChecks(self._interview, publication)
        self._keys = keys
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
        """Everything else, in order.

        First of all what each path decides: only where it does is there anything to forge. The last
        ones judge all that was answered.
        """
        return (
            *self._of_decisions(),
            *self._of_reversals(),
            *self._at_each_path.checks(),
            *self._of_all_answers(),
        )

    def _of_decisions(self) -> tuple[Check, ...]:
        return (
            Check(
                name="repeats-its-answer",
                promise="the same key with the same bytes gets the same bytes again",
                advice="store the decision under its Idempotency-Key before you answer; build a"
                " repeat from what is stored",
                run=self._repeats,
            ),
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
        heard, answer = await self._interview.decided(
            "authorizations", self._interview.authorization()
        )
        if answer is None:
            return failed(heard.short)
        self._may_pay = answer.decision == "approved"
        return PASSED

    async def _repeats(self) -> Seen:
        return await self._interview.stays("authorizations", self._interview.authorization())

    async def _decides_holds(self) -> Seen:
        until = rfc3339(SYSTEM_CLOCK.now() + timedelta(days=1))
        asked = replace(self._interview.authorization(), capture=False, hold_expires_at=until)
        return await self._interview.stays("authorizations", asked)

    async def _decides_credits(self) -> Seen:
        return await self._interview.stays("credits", self._interview.credit())

    async def _decides_refunds(self) -> Seen:
        return await self._interview.stays(
            "credits", replace(self._interview.credit(), parent=str(uuid4()))
        )

    async def _acknowledges(self) -> Seen:
        asked = self._interview.authorization()
        heard, answer = await self._interview.decided("authorizations", asked)
        if answer is None:
            return failed(heard.short)
        return await self._interview.stays("reversals", reversal_of(asked))

    async def _acknowledges_unknown(self) -> Seen:
        return await self._interview.stays(
            "reversals", reversal_of(self._interview.authorization())
        )

    async def _declines_reversed(self) -> Seen:
        if not self._may_pay:
            return skipped("the account may not pay: give --account and --amount of one that may")
        asked = self._interview.authorization()
        heard, answer = await self._interview.decided("reversals", reversal_of(asked))
        if answer is None:
            return failed(heard.short)
        heard, answer = await self._interview.decided("authorizations", asked)
        if answer is None or answer.decision != "declined":
            return failed(heard.short)
        return PASSED

    async def _signed_all(self) -> Seen:
        for heard in self._decisions():
            fault = check_reply(
                status=heard.status or 0,
                headers=heard.headers,
                body=heard.body,
                bound=heard.bound,
                keys=self._keys,
                now_us=heard.at_us,
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
            for heard in self._interview.player.kept
            if heard.asked is not None
            and heard.status in (200, 201)
            and decode_answer(heard.body) is not None
        ]
