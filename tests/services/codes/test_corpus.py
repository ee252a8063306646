"""Every code of the corpus is taken, or refused by the tag that breaks a rule."""

import pytest

from switch.services.codes.emv import MerchantCode, build, parse
from switch.services.codes.payee import payee_of
from switch.services.codes.tlv import Fault
from tests.services.codes.broken import broken
from tests.services.codes.corpus import valid
from tests.services.codes.encoder import Case

VALID = list(valid())
BROKEN = list(broken())


def test_the_corpus_is_large() -> None:
    """At least two hundred codes, and no name stands for two."""
    names = [case.name for case in (*VALID, *BROKEN)]
    assert len(names) >= 200
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.name)
def test_a_valid_code_is_taken_and_nothing_is_lost(case: Case) -> None:
    """What was read can be written: the same data objects, and read again the same value."""
    code = parse(case.text)
    assert isinstance(code, MerchantCode), code
    assert not isinstance(payee_of(code), Fault)
    written = build(code)
    assert isinstance(written, str), written
    assert parse(written) == code
    assert "kept" not in case.text or "kept" in written


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_a_broken_code_is_refused_by_its_tag(case: Case) -> None:
    """The fault names the tag, says the rule, and quotes no more than a piece."""
    found = parse(case.text)
    if isinstance(found, MerchantCode):
        found = payee_of(found)
    assert isinstance(found, Fault), found
    assert found.tag == case.tag, found
    assert len(found.text) < 200
    assert found.text.endswith(".")
