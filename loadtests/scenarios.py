"""The scenarios, as values: who is at work, what they do, what may happen and what must be seen.

Read by the command, which prepares what a scenario needs, and by locust's processes, which make
users of it; so nothing of locust may be imported here. What a user does is named after the methods
of `wallet`, `bank` and `merchant`, with a weight each.
"""

from dataclasses import dataclass, field

from switch import limits

Tasks = dict[str, int]  # method of the user, and how often it is chosen

WORKER_COUNT = 2  # of a city that is made for a run
BATCHES_TAKEN_ON = WORKER_COUNT * limits.BATCHES_IN_FLIGHT_MAX

CITIZEN: Tasks = {"buy": 8, "hold": 2, "give": 4, "withdraw": 1, "repeat": 1, "look": 1}
BRANCH: Tasks = {"top_up": 4, "top_up_many": 1, "read_statement": 1}
TILL: Tasks = {"capture": 3, "refund": 2, "read_feed": 1}
DAY = {"Wallet": CITIZEN, "Bank": BRANCH, "Merchant": TILL}
MOSTLY_WALLETS = {"Wallet": 8, "Bank": 1, "Merchant": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of the run."""

    until: float  # share of the run's time at which it ends
    users: float  # share of the users that are at work
    kinds: tuple[str, ...] = ()  # who is; all when empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario; counts of users and seconds may be told otherwise on the command line."""

    name: str
    shows: str  # one line for `--list`
    kinds: dict[str, Tasks] = field(default_factory=lambda: DAY)
    weights: dict[str, int] = field(default_factory=lambda: MOSTLY_WALLETS)
    users: int = 50
    stages: tuple[Stage, ...] = ()
    hot_share: float = 0.0  # of the purchases: in the first merchant's street
    incident: str | None = None  # what happens meanwhile; needs a city of its own
    refuses_payments: bool = False  # 429 and 503 are expected
    breaks_links: bool = False  # answers may be lost, outcomes unknown
    p95_ms_max: float = 1_000
    must_see: tuple[str, ...] = ()  # each in the name of some request that was answered


REFUSED, UNKNOWN, BANK_AWAY = "(refused)", "(unknown)", "(bank away)"

SCENARIOS = (
    Scenario(
        name="day",
        shows="an ordinary day: wallets pay, banks top up, merchants capture and refund",
    ),
    Scenario(
        name="morning-peak",
        shows="the number of people at work climbs in five steps to all of them",
        stages=tuple(Stage(until=step / 5, users=step / 5) for step in range(1, 6)),
        must_see=("purchase", "transfer"),
    ),
    Scenario(
        name="salary-day",
        shows="banks top up every wallet, in batches; then all of them spend it",
        kinds={**DAY, "Bank": {"pay_salaries": 1}},
        stages=(
            Stage(until=0.4, users=0.2, kinds=("Bank",)),
            Stage(until=1.0, users=1.0, kinds=("Wallet", "Merchant")),
        ),
        must_see=("salaries", "purchase"),
    ),
    Scenario(
        name="festival",
        shows="one merchant street gets half of all purchases: its payees are not locked",
        kinds={**DAY, "Wallet": {"buy": 14, "hold": 2, "look": 1}},
        hot_share=0.5,
        must_see=("purchase",),
    ),
    Scenario(
        name="status-storm",
        shows="look-ups within and over their budget: these get 429, no payment is refused",
        kinds={**DAY, "Watcher": {"look": 1, "look_at_payment": 1}},
        weights={"Wallet": 4, "Bank": 1, "Merchant": 1, "Watcher": 6},
        must_see=("purchase", REFUSED),
    ),
    Scenario(
        name="bank-outage",
        shows="a bank that holds the money itself hangs and comes back; nobody else notices",
        kinds={**DAY, "IssuingBank": {"buy": 1}},
        weights={"Wallet": 8, "Bank": 1, "Merchant": 1, "IssuingBank": 3},
        incident="bank_outage",
        must_see=("purchase", BANK_AWAY),
    ),
    Scenario(
        name="overload",
        shows="twice the batches that are taken on: the rest is refused, what is taken is right",
        kinds={"Flood": {"buy_many": 1}},
        weights={"Flood": 1},
        users=2 * BATCHES_TAKEN_ON,
        refuses_payments=True,
        p95_ms_max=5_000,
        must_see=("batch", REFUSED),
    ),
    Scenario(
        name="kill",
        shows="a worker and Postgres are killed under load; what is in doubt is sent again",
        incident="kills",
        refuses_payments=True,
        breaks_links=True,
        p95_ms_max=10_000,
        must_see=("purchase",),
    ),
)

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
