"""Two signatures on one request: how a key that is valid introduces a new one.

Both are of one participant: the one signature by a key that is registered, the other by the key
that is to be. Which is which the headers tell, save for a repeat that comes when the new key is
registered as well; then either may stand for the sender, and the body says which one is new.
Pure, like `signature`, and bounded like it: nothing here asks the curve.
"""

from collections.abc import Callable

import msgspec

from switch.components import RequestParts, plain_names
from switch.errors import Problem
from switch.signature import (
    Candidate,
    bind_request,
    incomplete,
    missing,
    named_keys,
    no_known_key,
    read_labelled,
    signature_fields,
)
from switch.structured import FieldLines


def find_pair(
    *,
    method: str,
    authority: str,
    path: str,
    query: str | None,
    headers: FieldLines,
    has_body: bool,
    is_known_key: Callable[[str], bool],
    is_valid_key: Callable[[str], bool],
    scheme: str = "https",
) -> Candidate | Problem:
    """The sender's signature with the other one in `second`; arguments as of `find_candidate`.

    The sender's is by a key that may sign now, where there is such a one: a new key that is
    registered already may have to wait for its time. Problems: those of `find_candidate`;
    signature-missing also when one of the two is not there.
    """
    parts = RequestParts(
        method=method, scheme=scheme, authority=authority, path=path, query=query, headers=headers
    )
    bound = bind_request(parts)
    if isinstance(bound, Problem):
        return bound
    refusal = missing(headers, bound, has_body=has_body)
    if refusal is not None:
        return refusal
    fields = signature_fields(headers)
    if isinstance(fields, Problem):
        return fields
    labels = _choose_two(named_keys(fields[0]), is_known_key)
    if isinstance(labels, Problem):
        return labels
    pair = []
    for label in labels:
        reading = read_labelled(parts, bound, fields, label)
        if isinstance(reading, Problem):
            return reading
        candidate, covered = reading
        refusal = incomplete(bound, plain_names(covered), has_body=has_body)
        if refusal is not None:
            return refusal
        pair.append(candidate)
    pair.sort(key=lambda one: (not is_known_key(one.key_id), not is_valid_key(one.key_id)))
    return msgspec.structs.replace(pair[0], second=pair[1])


def _choose_two(
    named: dict[str, str], is_known_key: Callable[[str], bool]
) -> tuple[str, str] | Problem:
    """The labels of the two signatures of the participant that has a registered key here."""
    owners = {_owner(key_id) for key_id in named.values() if is_known_key(key_id)}
    if not owners:
        return no_known_key(named)
    labels = [label for label, key_id in named.items() if _owner(key_id) in owners]
    match labels:
        case [_]:
            return Problem(
                name="signature-missing",
                detail="a key is introduced by two signatures: by a valid key, and by the new one",
            )
        case [first, second] if len(owners) == 1:
            return first, second
    return Problem(
        name="signature-ambiguous", detail="send two signatures: by a valid key, and by the new one"
    )


def _owner(key_id: str) -> str:
    """The participant in a key id."""
    return key_id.partition("/")[0]
