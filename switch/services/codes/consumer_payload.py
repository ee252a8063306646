"""Consumer-presented EMV QR data: a payment code inside, written and read. No I/O, no clock.

EMV QR Code Specification for Payment Systems, Consumer-Presented Mode: base64 of data objects in
BER-TLV (`ber`). 85 is the payload format indicator `CPV01`; each 61 is an application template with
the name of its application, 4F. This switch's application has a name of its own, of the proprietary
kind that anybody may choose (ISO/IEC 7816-4: it begins with F), and holds the payment code in its
application specific transparent template, 63, under a private tag, DF41: 18 digits, two a byte.
No account number (5A) and no track (57) stands there: the code says nothing of whose it is.
"""

import base64
import binascii
import re

from msgspec import Struct

from switch.payment_code import DIGITS
from switch.services.codes import limits
from switch.services.codes.ber import encode, flat, leaves, split
from switch.services.codes.tlv import DataObject, Fault, path

FORMAT, VERSION = "85", b"CPV01"
APPLICATION = "61"
APPLICATION_NAME = "4F"
TRANSPARENT = "63"
CODE = "DF41"
OURS = "F068FFC5D3DC1C4EAE9C9710A9820101"  # the name of this switch's application
BEGINNING = "hQ"  # of the base64 of tag 85 with a short length

_DIGITS = re.compile(f"[0-9]{{{DIGITS}}}")


class Application(Struct, frozen=True, kw_only=True):
    """One way to pay that a code offers: its name, and the data objects beside it, in hex."""

    name: str
    fields: tuple[DataObject, ...]


class ConsumerPayload(Struct, frozen=True, kw_only=True):
    """What consumer-presented data holds; `code` is null where no application is this switch's."""

    code: str | None
    applications: tuple[Application, ...]
    fields: tuple[DataObject, ...]  # beside them


def build(code: str) -> str:
    """The text of a QR code that presents a payment code."""
    name = encode(APPLICATION_NAME, bytes.fromhex(OURS))
    transparent = encode(TRANSPARENT, encode(CODE, bytes.fromhex(code)))
    objects = encode(FORMAT, VERSION) + encode(APPLICATION, name + transparent)
    return base64.b64encode(objects).decode()


def is_consumer_payload(text: str) -> bool:
    """Whether a text begins as consumer-presented data does, and no merchant's code."""
    return text.startswith(BEGINNING)


def parse(text: str) -> ConsumerPayload | Fault:
    """What a text says, or the first rule that it breaks."""
    try:
        encoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # the latter: not ASCII
        return Fault(tag="", rule="it begins as consumer-presented data and is no base64")
    objects = split(encoded)
    if isinstance(objects, Fault):
        return objects
    if objects[:1] != ((FORMAT, VERSION),):
        return Fault(tag=FORMAT, rule="consumer-presented data begins with the indicator `CPV01`")
    applications = []
    rest: list[DataObject] = []
    for tag, value in objects[1:]:
        found = _application(value) if tag == APPLICATION else leaves(tag, value)
        if isinstance(found, Fault):
            return found
        if isinstance(found, Application):
            applications.append(found)
        else:
            rest += found
    return _whole(tuple(applications), tuple(rest))


def _application(value: bytes) -> Application | Fault:
    fields = flat(value, APPLICATION)
    if isinstance(fields, Fault):
        return fields
    tag = path(APPLICATION, APPLICATION_NAME)
    names = [field.value for field in fields if field.tag == tag]
    if len(names) != 1:
        return Fault(tag=tag, rule=f"an application has one name, found {len(names)}")
    if not limits.APPLICATION_BYTES_MIN <= len(names[0]) // 2 <= limits.APPLICATION_BYTES_MAX:
        return Fault(tag=tag, rule="the name of an application has 5 to 16 bytes")
    return Application(name=names[0], fields=tuple(one for one in fields if one.tag != tag))


def _whole(
    applications: tuple[Application, ...], fields: tuple[DataObject, ...]
) -> ConsumerPayload | Fault:
    """What the applications say together."""
    if not applications:
        return Fault(tag=APPLICATION, rule="an application template is missing")
    ours = [one for one in applications if one.name == OURS]
    if len(ours) > 1:
        return Fault(tag=APPLICATION, rule="a second application of this switch; one code is paid")
    code = _code(ours[0]) if ours else None
    if isinstance(code, Fault):
        return code
    return ConsumerPayload(code=code, applications=applications, fields=fields)


def _code(application: Application) -> str | Fault:
    tag = path(path(APPLICATION, TRANSPARENT), CODE)
    codes = [field.value for field in application.fields if field.tag == tag]
    if len(codes) != 1 or _DIGITS.fullmatch(codes[0]) is None:
        return Fault(
            tag=tag, rule=f"a payment code is {DIGITS} digits, two a byte, and stands once"
        )
    return codes[0]
