"""Any code that is written is read as the same value, and no text whatever makes reading fail."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from switch.errors import Problem
from switch.services.codes import examples
from switch.services.codes.consumer_payload import ConsumerPayload
from switch.services.codes.consumer_presented import ConsumerCodeRequest, decode_consumer_request
from switch.services.codes.emv import MerchantCode, build, parse
from switch.services.codes.message import (
    CodeRequest,
    DecodedCode,
    decode_code_request,
    decode_payload,
    payload_of,
)
from switch.services.codes.payee import payee_of
from switch.services.codes.tlv import Fault, Tree, join
from tests.fuzz.body_corpus import mutated
from tests.services.codes.corpus import valid
from tests.services.codes.encoder import many, one, sealed
from tests.services.codes.strategies import CODES, any_text

EXAMPLES = 400
PROFILE = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),  # how fast this machine is says nothing
)
BODIES = [case.text[:-8] for case in valid() if len(case.text) < 400]
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.dictionaries(st.integers(0, 99).map("{:02}".format), any_text(20), max_size=4),
    lambda inner: st.dictionaries(
        st.integers(0, 99).map("{:02}".format), any_text(20) | inner, max_size=6
    ),
    max_leaves=12,
)


def test_what_is_written_is_read_as_the_same(seed: int) -> None:
    """Read and written again it is the same text; what does not fit is refused by its length."""
    taken = 0

    @given(code=CODES)
    def tried(code: MerchantCode) -> None:
        nonlocal taken
        text = build(code)
        if isinstance(text, Fault):
            assert "characters" in text.rule, text
            return
        taken += 1
        read = parse(text)
        assert read == code
        assert build(code) == text

    PROFILE(seeded(seed)(tried))()
    assert taken > EXAMPLES // 8, "many of them fit"


def test_no_text_makes_reading_fail(seed: int) -> None:
    """Whatever a camera reads, the answer is a code or the rule that is broken."""

    @given(text=st.text(max_size=600) | st.text("0123456789", max_size=60).map("000201".__add__))
    def tried(text: str) -> None:
        assert isinstance(parse(text), MerchantCode | Fault)

    PROFILE(seeded(seed)(tried))()


def test_no_change_of_a_code_makes_reading_fail(seed: int) -> None:
    """Not even one that is sealed again: a piece cut out, doubled or replaced."""
    taken = set()

    @given(
        body=st.sampled_from(BODIES),
        at=st.integers(6, 200),
        length=st.integers(0, 12),
        piece=any_text(6) | st.text("0123456789", max_size=6) | st.text(max_size=3),
    )
    def tried(body: str, at: int, length: int, piece: str) -> None:
        found = parse(sealed(body[:at] + piece + body[at + length :]))
        taken.add(type(found))
        if isinstance(found, MerchantCode):
            assert isinstance(build(found), str)
            payee_of(found)

    PROFILE(seeded(seed)(tried))()
    assert taken == {MerchantCode, Fault}, "right and wrong ones were read"


def test_no_tree_of_data_objects_makes_reading_fail(seed: int) -> None:
    """Any tags, nested as they please, under a right checksum; what fits is read again."""

    @given(tree=TREES)
    def tried(tree: Tree) -> None:
        text = join(tree)
        if isinstance(text, str):
            rest = many({"52": "0000", "53": "156", "58": "CN", "59": "a", "60": "b"})
            found = parse(sealed(one("00", "01") + rest + text))
            assert isinstance(found, MerchantCode | Fault)

    PROFILE(seeded(seed)(tried))()


def test_no_body_makes_asking_fail(seed: int) -> None:
    """Whatever stands in a body, it is a request, an answer, or what is wrong with it."""
    kinds = set()

    @given(rng=st.randoms(use_true_random=False), currency=st.sampled_from(["CNY", "JPY", "KWD"]))
    def tried(rng: random.Random, currency: str) -> None:
        request = decode_code_request(mutated(examples.CODE_REQUEST, rng))
        kinds.add(type(request))
        if isinstance(request, CodeRequest):
            assert isinstance(payload_of(request, currency), str | Problem)
        read = decode_payload(mutated({"payload": examples.PAYLOAD}, rng))
        assert isinstance(read, DecodedCode | Problem)
        presented = decode_payload(mutated({"payload": examples.CONSUMER_PAYLOAD}, rng))
        assert isinstance(presented, DecodedCode | ConsumerPayload | Problem)
        asked = decode_consumer_request(mutated(examples.CONSUMER_CODE_REQUEST, rng))
        kinds.add(type(asked))
        assert isinstance(asked, ConsumerCodeRequest | Problem)

    PROFILE(seeded(seed)(tried))()
    assert kinds == {CodeRequest, ConsumerCodeRequest, Problem}, "right and wrong ones were tried"
