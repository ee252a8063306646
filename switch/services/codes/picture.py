"""A code as a picture: a QR symbol (ISO/IEC 18004) as PNG or SVG. Takes some 30 ms; no I/O."""

from base64 import b64encode
from io import BytesIO

import segno

from switch.services.codes import limits

ERROR_LEVEL = "m"  # some 15 % of a symbol may be lost, as is usual on paper and screens
LIGHT = "#fff"  # behind the dark: a transparent symbol cannot be read on a dark page


def png(payload: str) -> str:
    """The symbol as PNG, in base64."""
    drawn = BytesIO()
    _symbol(payload).save(
        drawn, kind="png", scale=limits.MODULE_PIXELS, border=limits.QUIET_MODULES, light=LIGHT
    )
    return b64encode(drawn.getvalue()).decode()


def svg(payload: str) -> str:
    """The symbol as an SVG document that takes the size it is given."""
    drawn = BytesIO()
    _symbol(payload).save(
        drawn,
        kind="svg",
        border=limits.QUIET_MODULES,
        light=LIGHT,
        omitsize=True,
        xmldecl=False,
        nl=False,
    )
    return drawn.getvalue().decode()


def _symbol(payload: str) -> segno.QRCode:
    return segno.make_qr(payload, error=ERROR_LEVEL, boost_error=False, encoding="utf-8")
