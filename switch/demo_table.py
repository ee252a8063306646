"""What the demo city shows: the live table and the closing lines, from figures alone."""

from collections.abc import Mapping
from typing import Any

from rich.columns import Columns
from rich.console import Group
from rich.table import Table

from switch.demo_city import CURRENCY
from switch.demo_day import Day
from switch.demo_traffic import Figures

MINOR_UNITS = 100


SIGNS = {"later": "·", "playing": "▸", "done": "✓", "left out": "-", "wrong": "✗"}


def live(figures: Figures, balances: Mapping[str, int], day: Day) -> Group:
    """The day, and below it decisions, latency and balances, side by side."""
    figures_now = Columns(
        [_decisions(figures), _latency(figures), _balances(balances)], padding=(0, 4)
    )
    return Group(_day(day), "", figures_now)


def told(summary: Mapping[str, Any]) -> str:
    """The day for people, a line a scene, and what money is bound to in the end."""
    lines = [
        f"{one['hour']}  {SIGNS[one['status']]} {one['scene']}: {one['told'] or one['status']}"
        for one in summary["day"]
    ]
    left = ", ".join(
        f"{name} {money(amount)}" for name, amount in summary["balances_by_purpose"].items()
    )
    return "\n".join([*lines, f"in the end, {CURRENCY}: {left or 'not asked'}"])


def _day(day: Day) -> Table:
    table = Table(title="a day in the city", box=None, title_justify="left", show_header=False)
    for scene in day.scenes:
        table.add_row(scene.hour, SIGNS[scene.status], scene.name, scene.told)
    return table


def _decisions(figures: Figures) -> Table:
    table = Table(title="decisions", box=None, title_justify="left")
    table.add_column("outcome")
    table.add_column("count", justify="right")
    for outcome, count in figures.outcomes.most_common():
        table.add_row(outcome, f"{count:,}")
    table.add_row("all", f"{figures.decision_count:,}", style="bold")
    table.add_row("sent twice", f"{figures.repeats:,}")
    return table


def _latency(figures: Figures) -> Table:
    table = Table(title="latency, client to client", box=None, title_justify="left")
    table.add_column("share")
    table.add_column("ms", justify="right")
    for share in (0.5, 0.95, 0.99):
        table.add_row(f"{share:.0%}", f"{figures.latency_ms(share):.1f}")
    table.add_row("decisions/s", f"{figures.per_second:,.0f}", style="bold")
    return table


def _balances(balances: Mapping[str, int]) -> Table:
    table = Table(title=f"balances, {CURRENCY}", box=None, title_justify="left")
    table.add_column("account of")
    table.add_column("balance", justify="right")
    for name, balance in balances.items():
        table.add_row(name, money(balance))
    return table


def money(amount: int) -> str:
    """Minor units for people: 1,234.56."""
    major, minor = divmod(abs(amount), MINOR_UNITS)
    return f"{'-' if amount < 0 else ''}{major:,}.{minor:02}"
