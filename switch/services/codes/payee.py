"""How a code says which account of this switch is to be paid. No I/O, no clock.

One merchant account template of its own (EMV QRCPS MPM 1.1, ids 26 to 51): the identifier says
that what follows is this switch's, field 01 is the account's id as 32 hexadecimal digits. Whoever
writes codes may put it under any tag from 26 to 51, so it is found by its identifier.
"""

from uuid import UUID

from switch.message import as_id
from switch.services.codes.emv import MerchantAccount, MerchantCode
from switch.services.codes.tlv import DataObject, Fault, path

TAG = "26"  # where the codes made here have it
IDENTIFIER = "68ffc5d3dc1c4eae9c9710a982010ec5"  # a UUID of its own, as the specification has them
ACCOUNT_FIELD = "01"


def payee_account(account_id: UUID) -> MerchantAccount:
    """The merchant account of a code that pays this account."""
    return MerchantAccount(
        tag=TAG, identifier=IDENTIFIER, fields=(DataObject(ACCOUNT_FIELD, account_id.hex),)
    )


def payee_of(code: MerchantCode) -> UUID | Fault | None:
    """The account of this switch that a code pays, None where it names none."""
    ours = [one for one in code.merchant_accounts if _is_ours(one)]
    if not ours:
        return None
    if len(ours) > 1:
        return Fault(tag=ours[1].tag, rule="a second account of this switch; a code pays one")
    tag = path(ours[0].tag, ACCOUNT_FIELD)
    text = next((field.value for field in ours[0].fields if field.tag == ACCOUNT_FIELD), "")
    account_id = _account_id(text)
    if account_id is None:
        return Fault(tag=tag, rule="an account of this switch is 32 hexadecimal digits")
    return account_id


def _is_ours(account: MerchantAccount) -> bool:
    return account.identifier is not None and account.identifier.lower() == IDENTIFIER


def _account_id(text: str) -> UUID | None:
    """The UUID in 32 hexadecimal digits without hyphens."""
    parts = (text[:8], text[8:12], text[12:16], text[16:20], text[20:])
    return as_id("-".join(parts))
