"""The search for a serial order itself: it accepts what can be explained and nothing else."""

import hashlib
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from switch.ledger import Disposition, Order
from switch.message import PaymentRequest
from switch.outcome import Outcome
from tests.ledger.city import NOON
from tests.ledger.history import Batch, EarlyDeclines, Search, explain
from tests.ledger.model import Account, Decision, Ledger

A, B, C, D = (UUID(int=n) for n in (1, 2, 3, 4))


@pytest.fixture
def ledger() -> Ledger:
    """Four wallets of one provider; the first and the last have money."""
    made = Ledger()
    for account, balance in ((A, 10), (B, 0), (C, 0), (D, 4)):
        made.accounts[account] = Account(
            id=account, participant_no=1, participant_kind="wallet", kind="wallet",
            currency="CNY", balance=balance,
        )  # fmt: skip
    return made


def order(payer: UUID, payee: UUID, amount: int, key: str | None = None) -> Order:
    request = PaymentRequest(
        type="transfer", payer=payer, payee=payee, amount=amount, currency="CNY"
    )
    return Order(
        participant_no=1, participant="p", key=key or uuid4().hex, payment_id=uuid4(),
        digest=hashlib.sha256(repr(request).encode()).digest(), request=request,
    )  # fmt: skip


def batch(began: float, ended: float, *seen: tuple[Order, Outcome, int | None]) -> Batch:
    return Batch(
        lane=0,
        orders=[order for order, _, _ in seen],
        decisions=[
            Decision(disposition=Disposition.DECIDED, payment_id=order.payment_id, outcome=outcome)
            for order, outcome, _ in seen
        ],
        postings=[posting for _, _, posting in seen],
        decided_at=NOON,
        began=began,
        ended=ended,
    )


APPROVED, SHORT = Outcome.APPROVED, Outcome.INSUFFICIENT_FUNDS


def test_overlapping_batches_may_have_come_in_either_order(ledger: Ledger) -> None:
    """The one that lost may have begun first."""
    lost = batch(0, 3, (order(A, B, 6), SHORT, None))
    won = batch(1, 2, (order(A, C, 6), APPROVED, 2))
    assert Search(ledger=ledger, batches=[lost, won]).run()
    assert ledger.accounts[A].balance == 4


def test_a_batch_that_had_ended_came_first(ledger: Ledger) -> None:
    """It cannot have lost to one that had not begun."""
    lost = batch(0, 1, (order(A, B, 6), SHORT, None))
    won = batch(2, 3, (order(A, C, 6), APPROVED, 2))
    assert not Search(ledger=ledger, batches=[lost, won]).run()
    assert ledger.accounts[A].balance == 10, "a search that fails leaves the model as it was"


def test_money_spent_twice_is_never_explained(ledger: Ledger) -> None:
    """Two approvals of what only one could pay have no order."""
    twice = [batch(0, 9, (order(A, payee, 6), APPROVED, None)) for payee in (B, C)]
    assert not Search(ledger=ledger, batches=twice).run()


def test_batches_may_interleave_but_keep_their_own_order(ledger: Ledger) -> None:
    """The middle of one batch may stand between two messages of another, never the other way."""
    first, third = order(A, B, 10), order(C, A, 10)
    second = order(B, C, 10)
    outer = batch(0, 9, (first, APPROVED, 1), (third, APPROVED, 1))
    inner = batch(0, 9, (second, APPROVED, 1))
    assert Search(ledger=ledger, batches=[outer, inner]).run()


def test_a_batch_is_not_turned_around(ledger: Ledger) -> None:
    """A message that could only be paid by a later one of its own batch has no explanation."""
    backwards = batch(0, 9, (order(B, C, 10), APPROVED, 1), (order(A, B, 10), APPROVED, 1))
    assert not Search(ledger=ledger, batches=[backwards]).run()


def test_debits_come_in_the_order_of_their_postings(ledger: Ledger) -> None:
    """Where the ledger has numbered two debits, the order must have them so."""
    early = batch(0, 1, (order(A, B, 6), APPROVED, 2))
    late = batch(2, 3, (order(A, C, 2), APPROVED, 1))
    assert not Search(ledger=ledger, batches=[early, late]).run()
    late.postings[0] = 3
    assert Search(ledger=ledger, batches=[early, late]).run()


def test_a_key_is_spent_once(ledger: Ledger) -> None:
    """Two decisions of one key have no order, a decision and a repeat of it have one."""
    one = order(A, B, 1, key="k")
    other = replace(one, payment_id=uuid4())
    decided = batch(0, 9, (one, APPROVED, 1))
    assert not Search(ledger=ledger, batches=[decided, batch(0, 9, (other, APPROVED, 2))]).run()
    repeated = batch(0, 9, (other, APPROVED, None))
    repeated.decisions[0] = Decision(
        disposition=Disposition.REPEATED, payment_id=one.payment_id, outcome=APPROVED
    )
    assert Search(ledger=ledger, batches=[repeated, decided]).run()


def skewed() -> list[Batch]:
    """Two batches, open at once: each pays in what the other has just found missing."""
    return [
        batch(0, 9, (order(A, B, 6), APPROVED, 1), (order(C, A, 4), SHORT, None)),
        batch(0, 9, (order(D, C, 4), APPROVED, 1), (order(B, D, 5), SHORT, None)),
    ]


def test_declines_that_missed_each_others_credits(ledger: Ledger) -> None:
    """No order keeps both batches as they were; both declines came before either credit."""
    assert not Search(ledger=ledger, batches=skewed()).run()
    assert explain(ledger, skewed()) is None
    balances = {account.id: account.balance for account in ledger.accounts.values()}
    assert balances == {A: 4, B: 6, C: 4, D: 0}


def test_a_decline_that_missed_a_credit_of_its_own_batch(ledger: Ledger) -> None:
    """What a batch has paid in, the same batch can spend: a decline is not moved before that."""
    blind = batch(0, 9, (order(A, B, 6), APPROVED, 1), (order(B, C, 6), SHORT, None))
    assert explain(ledger, [blind]) is not None


def test_a_decline_that_missed_a_credit_already_known(ledger: Ledger) -> None:
    """A credit whose batch had ended is there for everyone who begins later."""
    paid = batch(0, 1, (order(A, B, 6), APPROVED, 1))
    blind = batch(2, 9, (order(B, C, 6), SHORT, None))
    assert explain(ledger, [paid, blind]) is not None


def test_the_second_search_accepts_no_overdraft(ledger: Ledger) -> None:
    """Letting declines move lets nobody spend twice; the model is left as it was."""
    twice = [batch(0, 9, (order(A, payee, 6), APPROVED, n)) for n, payee in ((1, B), (2, C))]
    assert not EarlyDeclines(ledger=ledger, batches=twice).run()
    assert explain(ledger, twice) is not None
    late = batch(0, 9, (order(A, B, 6), APPROVED, 2))
    early = batch(0, 9, (order(A, C, 4), APPROVED, 1))
    assert EarlyDeclines(ledger=ledger, batches=[late, early]).run()
    assert ledger.accounts[A].balance == 0
