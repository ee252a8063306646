"""Sealed values open where they were sealed, and nowhere else; indexes find, and tell nothing."""

import secrets
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.services.wallets.seal import Place, SealedElsewhere, SecretBox

ROW = UUID(int=7)
PLACE = Place(table="wallets.person", row=ROW, column="name")
OLD = SecretBox(current="2026", secrets={"2026": bytes(range(32))}, index_secret=bytes(32))
NEW = SecretBox(
    current="2027", secrets={**OLD.secrets, "2027": bytes(range(32, 64))}, index_secret=bytes(32)
)


@given(value=st.text(max_size=100), row=st.uuids(), column=st.sampled_from(("name", "phone")))
def test_what_was_sealed_opens(value: str, row: UUID, column: str) -> None:
    """In its place, with its key; and no two sealings of one value are alike."""
    place = Place(table="wallets.person", row=row, column=column)
    sealed = OLD.seal(value, place)
    assert OLD.open(sealed, place) == value
    assert OLD.seal(value, place) != sealed
    assert len(value) < 4 or value.encode() not in sealed


@pytest.mark.parametrize(
    "moved",
    [{"row": UUID(int=8)}, {"column": "document"}, {"table": "wallets.alias"}],
    ids=["row", "column", "table"],
)
def test_what_is_moved_does_not_open(moved: dict[str, object]) -> None:
    """Another row, column or table of the same database."""
    sealed = OLD.seal("Li Ming", PLACE)
    with pytest.raises(SealedElsewhere):
        OLD.open(sealed, msgspec.structs.replace(PLACE, **moved))


def test_places_do_not_run_into_each_other() -> None:
    """A letter that moves from the table's name to the column's makes another place."""
    sealed = OLD.seal("Li Ming", Place(table="ab", row=ROW, column="c"))
    with pytest.raises(SealedElsewhere):
        OLD.open(sealed, Place(table="a", row=ROW, column="bc"))


@given(place=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_a_changed_bit_is_noticed(place: int, bit: int) -> None:
    """Wherever it is: version, key id, nonce, ciphertext or tag."""
    sealed = bytearray(NEW.seal("Li Ming", PLACE))
    sealed[place % len(sealed)] ^= 1 << bit
    with pytest.raises(SealedElsewhere):
        NEW.open(bytes(sealed), PLACE)


@given(st.binary(max_size=120))
def test_any_bytes_are_refused(sealed: bytes) -> None:
    """What was never sealed opens nowhere, however short."""
    with pytest.raises(SealedElsewhere):
        OLD.open(sealed, PLACE)


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    """After a change of keys nothing is lost, and what is old can be told and sealed anew."""
    sealed = OLD.seal("Li Ming", PLACE)
    assert NEW.open(sealed, PLACE) == "Li Ming"
    assert not NEW.is_current(sealed)
    again = NEW.seal(NEW.open(sealed, PLACE), PLACE)
    assert NEW.is_current(again)
    with pytest.raises(SealedElsewhere):
        OLD.open(again, PLACE)


def test_an_index_depends_on_kind_value_and_secret() -> None:
    """The same of all three is the same index, whichever key seals; anything else is another."""
    phone = "+8613912345678"
    other = msgspec.structs.replace(OLD, index_secret=bytes(range(32)))
    indexes = {
        OLD.blind_index("phone", phone),
        NEW.blind_index("phone", phone),
        OLD.blind_index("email", phone),
        OLD.blind_index("phone", phone[:-1]),
        other.blind_index("phone", phone),
    }
    assert len(indexes) == 4
    assert all(len(index) == 32 for index in indexes)
    assert OLD.index_fingerprint != other.index_fingerprint


def test_no_key_is_another() -> None:
    """Though one secret serves for all: what it gives for each use is unlike, and unlike itself."""
    secret = secrets.token_bytes(32)
    box = SecretBox(current="a", secrets={"a": secret}, index_secret=secret)
    sealing = box._sealing_key("a")
    made = {sealing, secret, box.blind_index("phone", ""), box.blind_index("x", "")}
    assert len(made | {box.index_fingerprint}) == 5
