"""What a wallet permits a payee to take, without the service that says so."""

from typing import Any
from uuid import uuid4

from tests.integration.town import Member, Place


async def give(
    town: Place, wallet: Member, payer: str, payee: str, *, payment_limit: int = 100_000
) -> str:
    """A mandate of the wallet's provider, for most of a year."""
    mandate = uuid4()
    disposition = await _asked(
        town,
        "SELECT disposition FROM ledger.give_mandate($1, $2, $3, $4, $5, $6, NULL, $7, NULL,"
        " NULL, NULL, NULL, now() + interval '300 days')",
        await _number(town, wallet), f"mandate-{mandate}", bytes(32), mandate, payer, payee,
        payment_limit,
    )  # fmt: skip
    assert disposition == 0
    return str(mandate)


async def revoke(town: Place, wallet: Member, mandate: str) -> None:
    """It is permitted no more."""
    await _asked(
        town, "SELECT disposition FROM ledger.revoke_mandate($1, $2, $3, $4)",
        await _number(town, wallet), f"revoke-{mandate}", bytes(32), mandate,
    )  # fmt: skip


async def _number(town: Place, member: Member) -> int:
    return int(
        await _asked(town, "SELECT participant_no FROM ledger.participant WHERE id = $1", member.id)
    )


async def _asked(town: Place, statement: str, *arguments: Any) -> Any:
    return await town.operator.connection.fetchval(statement, *arguments)
