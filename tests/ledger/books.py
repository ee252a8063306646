"""What must be true of the books after anything whatever: promises P1, P2 and P8."""

import asyncpg

from switch.upkeep import check_books

SUMS = """
    SELECT a.currency, sum(a.balance + coalesce(c.amount, 0))::bigint AS total
      FROM ledger.account a
      LEFT JOIN (SELECT shard, payee, sum(amount) AS amount
                   FROM ledger.unfolded_credit GROUP BY shard, payee) c
        ON c.shard = a.shard AND c.payee = a.id
     GROUP BY a.currency
"""
BELOW_FLOOR = """
    SELECT id FROM ledger.account
     WHERE balance - held < floor AND kind <> 'issuance'
"""


async def assert_books_are_right(admin: asyncpg.Connection, remark: str = "") -> None:
    """No deviation, every currency adds up to zero, no account below its floor."""
    deviations = await check_books(admin)
    assert not deviations, f"{remark}: {deviations}"
    for currency, total in await admin.fetch(SUMS):
        assert total == 0, f"{remark}: {currency} adds up to {total}"
    below = await admin.fetch(BELOW_FLOOR)
    assert not below, f"{remark}: below their floor: {below}"
