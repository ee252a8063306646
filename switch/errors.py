"""What can go wrong, as values and as exceptions.

A `Problem` is an answer: the caller did something the switch refuses (RFC 9457). It is a value,
passed up like any other result. The three exceptions mean broken machinery or a wrong
configuration; nobody raises them for a message.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Name → (HTTP status, title), in the order of the contract; OpenAPI lists exactly these.
PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed-message": (400, "The message breaks a rule of the contract"),
    "idempotency-key-missing": (400, "A POST needs one Idempotency-Key"),
    "digest-missing": (400, "A body needs a Content-Digest with sha-256"),
    "digest-mismatch": (400, "The body is not the one that was digested"),
    "signature-missing": (401, "No signature by a participant's key"),
    "signature-invalid": (401, "The signature does not verify"),
    "signature-incomplete": (401, "The signature covers too little"),
    "signature-ambiguous": (401, "More than one signature names a registered key"),
    "signature-expired": (401, "The signature is too old, too new, or past its end"),
    "key-unknown": (401, "No such key"),
    "key-not-valid": (401, "The key is not valid at this time"),
    "participant-suspended": (403, "The participant is suspended"),
    "not-found": (404, "Nothing here that is yours"),
    "method-not-allowed": (405, "This endpoint has other methods"),
    "in-progress": (409, "The same key is being decided elsewhere"),
    "archived": (410, "No longer kept here"),
    "body-too-large": (413, "The body is too large"),
    "media-type-unsupported": (415, "Bodies are application/json"),
    "wrong-authority": (421, "This switch has another name"),
    "idempotency-key-reused": (422, "The key was used for another request"),
    "too-many-requests": (429, "Too many requests of one sender"),
    "internal-error": (500, "A fault of the switch"),
    "overloaded": (503, "The switch is full or stopping"),
    "ledger-unavailable": (503, "The ledger cannot be reached"),
    "outcome-unknown": (504, "The link to the ledger broke while committing"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One refusal: a name of `PROBLEMS`, what exactly was wrong, and with which field."""

    name: str
    detail: str
    field: str | None = None
    retry_after_s: int | None = None

    @property
    def status(self) -> int:
        """The HTTP status."""
        return PROBLEMS[self.name][0]

    @property
    def title(self) -> str:
        """The same words for every problem of this name."""
        return PROBLEMS[self.name][1]


class SwitchError(Exception):
    """A start or an operator's command cannot go on; the message is one line saying what to do."""


class LedgerUnavailable(Exception):  # noqa: N818  the word says it
    """Surely nothing was decided: nothing was sent, or it was rolled back and said so."""


class OutcomeUnknown(Exception):  # noqa: N818  the word says it
    """The statement was sent and the link broke before its answer: it may be committed or not."""


@contextmanager
def using(folder: Path, *, option: str = "--data-dir") -> Iterator[None]:
    """Do something to a folder of the operator's choice, or say in one line why it cannot be."""
    try:
        yield
    except OSError as error:
        is_blocked = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "something in its path is no folder" if is_blocked else error.strerror
        raise SwitchError(
            f"{folder} cannot be used ({reason}):"
            f" choose a {option} that this user may write and that has room"
        ) from error
