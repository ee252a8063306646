"""Any code that can be written, for hypothesis: values of the right form, of every length."""

from uuid import UUID

from hypothesis import strategies as st

from switch.currencies import CURRENCIES
from switch.services.codes.emv import Language, MerchantAccount, MerchantCode, OwnedTemplate, Tip
from switch.services.codes.payee import payee_account
from switch.services.codes.tlv import DataObject

LETTERS = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
ANY_CHARACTER = st.characters(exclude_categories=("Cc", "Cs"))


def ascii_text(chars_max: int, chars_min: int = 1) -> st.SearchStrategy[str]:
    return st.text(LETTERS, min_size=chars_min, max_size=chars_max)


def any_text(chars_max: int) -> st.SearchStrategy[str]:
    return st.text(ANY_CHARACTER, min_size=1, max_size=chars_max)


def fields(first: int, last: int) -> st.SearchStrategy[tuple[DataObject, ...]]:
    """A few data objects with different tags, sorted."""
    tags = st.sets(st.integers(first, last), max_size=2)
    return tags.flatmap(
        lambda chosen: st.tuples(
            *(st.builds(DataObject, st.just(f"{tag:02}"), any_text(6)) for tag in sorted(chosen))
        )
    )


def owned(first: int, last: int) -> st.SearchStrategy[tuple[OwnedTemplate, ...]]:
    """At most one template of somebody's own."""
    template = st.builds(
        OwnedTemplate,
        tag=st.integers(first, last).map(str),
        identifier=ascii_text(8),
        fields=fields(1, 99),
    )
    return st.lists(template, max_size=1).map(tuple)


ACCOUNTS = st.one_of(
    st.uuids().map(lambda account_id: payee_account(UUID(int=account_id.int))),
    st.builds(MerchantAccount, tag=st.integers(2, 25).map("{:02}".format), value=ascii_text(20)),
    st.builds(
        MerchantAccount,
        tag=st.integers(27, 51).map(str),
        identifier=ascii_text(32),
        fields=fields(1, 99),
    ),
)
TIPS = st.one_of(
    st.none(),
    st.just(Tip(kind="prompt")),
    st.builds(Tip, kind=st.just("fixed"), amount=st.integers(1, 10**9)),
    st.builds(Tip, kind=st.just("percentage"), basis_points=st.integers(1, 9_999)),
)
LANGUAGES = st.one_of(
    st.none(),
    st.builds(
        Language,
        language=st.sampled_from(["zh", "AR", "hi"]),
        merchant_name=any_text(25),
        merchant_city=st.none() | any_text(15),
        reserved=fields(3, 99),
    ),
)
LABELS = st.none() | ascii_text(9)
CODES = st.builds(
    MerchantCode,
    initiation=st.sampled_from([None, "static", "dynamic"]),
    currency=st.sampled_from(sorted(CURRENCIES)),
    amount=st.none() | st.integers(1, 10**9),
    tip=TIPS,
    country=st.sampled_from(["CN", "DE", "ZA"]),
    merchant_name=ascii_text(25),
    merchant_city=ascii_text(15),
    postal_code=st.none() | ascii_text(10),
    category=st.integers(0, 9_999).map("{:04}".format),
    bill_number=st.none() | ascii_text(25),
    mobile_number=LABELS,
    store_label=LABELS,
    reference_label=LABELS,
    terminal_label=LABELS,
    consumer_data_request=st.sampled_from([None, "A", "ME", "EMA"]),
    merchant_channel=st.none() | ascii_text(3, 3),
    language=LANGUAGES,
    merchant_accounts=st.lists(ACCOUNTS, min_size=1, max_size=3, unique_by=lambda one: one.tag).map(
        lambda accounts: tuple(sorted(accounts, key=lambda one: one.tag))
    ),
    additional_templates=owned(50, 99),
    additional_reserved=fields(12, 49),
    unreserved_templates=owned(80, 99),
    reserved=fields(65, 79),
)
