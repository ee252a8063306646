"""The pictures of codes: an independent reader finds the code in them, whole and damaged."""

import base64
import io
import re
from xml.etree import ElementTree

import pytest
import zxingcpp
from PIL import Image, ImageDraw

from switch.services.codes import examples, picture
from tests.services.codes.corpus import as_long_as
from tests.services.codes.samples import BEST_TRANSPORT, FULANO

SVG = "{http://www.w3.org/2000/svg}"
ROW = re.compile(r"([Mm])(-?[\d.]+) (-?[\d.]+)|h(\d+)")
PIXELS = 4  # the side of a dot of an SVG when it is drawn here

TEXTS = {
    "ours": examples.PAYLOAD,
    "published": BEST_TRANSPORT,
    "ascii": FULANO,
    "longest": as_long_as(512),
    "capitals": "000201ABC:1234",  # a mode of its own in QR codes
}
BY_NAME = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


def read(image: Image.Image) -> list[str]:
    """What zxing-cpp finds in a picture."""
    found = zxingcpp.read_barcodes(image.convert("L"))
    assert all(one.format == zxingcpp.BarcodeFormat.QRCode for one in found)
    return [one.text for one in found]


def opened(text: str) -> Image.Image:
    """The PNG of a code as a picture."""
    return Image.open(io.BytesIO(base64.b64decode(picture.png(text))))


def drawn(svg: str) -> Image.Image:
    """The dark rows of an SVG of ours, drawn."""
    root = ElementTree.fromstring(svg)  # noqa: S314  it is our own
    _, _, width, height = map(int, root.attrib["viewBox"].split())
    image = Image.new("L", (width * PIXELS, height * PIXELS), 255)
    pencil = ImageDraw.Draw(image)
    light, dark = root.findall(f"{SVG}path")
    assert light.attrib["fill"] == "#fff"
    x = y = 0.0
    for move, to_x, to_y, length in ROW.findall(dark.attrib["d"]):
        if move:
            base_x, base_y = (x, y) if move == "m" else (0.0, 0.0)
            x, y = base_x + float(to_x), base_y + float(to_y)
        else:
            corner = (x * PIXELS, (y - 0.5) * PIXELS)
            end = ((x + int(length)) * PIXELS - 1, (y + 0.5) * PIXELS - 1)
            pencil.rectangle((corner, end), fill=0)
            x += int(length)
    return image


@BY_NAME
def test_a_reader_finds_the_code_in_the_png(text: str) -> None:
    """The same text, characters of Unicode included."""
    assert read(opened(text)) == [text]


@BY_NAME
def test_a_reader_finds_the_code_in_the_svg(text: str) -> None:
    """The same text; the document says no size of its own."""
    svg = picture.svg(text)
    assert "width=" not in svg
    assert read(drawn(svg)) == [text]


def test_a_png_has_white_around_it() -> None:
    """Four modules on each side, as the standard has it; a dot is eight pixels."""
    image = opened(FULANO).convert("L")
    dark = image.point(lambda shade: 255 - shade).getbbox()
    assert dark == (32, 32, image.width - 32, image.height - 32)


def test_a_picture_is_the_same_each_time() -> None:
    """The same request gives the same answer, picture included."""
    assert picture.png(FULANO) == picture.png(FULANO)
    assert picture.svg(FULANO) == picture.svg(FULANO)


def test_a_scratched_picture_is_still_read() -> None:
    """A twentieth of the symbol is gone; a third is too much."""
    image = opened(BEST_TRANSPORT).convert("L")
    width, height = image.size
    for share, expected in ((0.05, [BEST_TRANSPORT]), (0.33, [])):
        scratched = image.copy()
        side = (share * width * height) ** 0.5 / 2
        middle = width / 2, height / 2
        box = (*(at - side for at in middle), *(at + side for at in middle))
        ImageDraw.Draw(scratched).rectangle(box, fill=255)
        assert read(scratched) == expected
