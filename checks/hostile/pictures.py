"""Pictures, as bytes, that start a program or take far more work than their size says; none may be read."""

import io
import struct

import numpy as np
from PIL import Image

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(ran) print showpage\n%%EOF\n"
SIDE = 9_000  # pixels, below the limit


def iptc(inner: bytes) -> bytes:
    """A picture in IPTC's form, which holds another one of any format."""

    def field(record: int, number: int, content: bytes) -> bytes:
        return struct.pack(">BBBH", 0x1C, record, number, len(content)) + content

    fields = (60, b"\x01\x00"), (20, b"\x00\x09"), (30, b"\x00\x09"), (120, b"\x05")
    return b"".join(field(3, *pair) for pair in fields) + field(8, 10, inner)


def tiff_of_one_tile(side: int, compression: int) -> bytes:
    """8 x 8 pixels, cut out of one tile of side x side."""
    tags = {
        256: 8, 257: 8, 258: 8, 259: compression, 262: 1, 277: 1, 322: side, 323: side, 324: 134, 325: 100
    }  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + bytes(100)


def jpeg_of_many_scans(scans: int, side: int = SIDE) -> bytes:
    small = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(small, "JPEG", progressive=True)
    content = small.getvalue()
    size = content.index(b"\xff\xc2") + 5  # in the header of the frame
    content = content[:size] + struct.pack(">HH", side, side) + content[size + 4 :]
    last, end = content.rfind(b"\xff\xda"), len(content) - 2
    return content[:end] + content[last:end] * scans + content[end:]


def jpeg2000(side: int) -> bytes:
    small = io.BytesIO()
    Image.new("RGBA", (64, 64), "red").save(small, "JPEG2000", no_jp2=True)
    content = small.getvalue()
    for position in (8, 12, 24, 28):  # of the picture and of its one tile
        content = content[:position] + struct.pack(">I", side) + content[position + 4 :]
    return content


def fits() -> bytes:
    """16 bits from 32768 on, which Pillow reads as other values."""
    cards = ["SIMPLE = T", "BITPIX = 16", "NAXIS = 2", "NAXIS1 = 8", "NAXIS2 = 8", "BZERO = 32768", "END"]
    header = "".join(
        f"{name:8}= {value:>20}".ljust(80) if value else name.ljust(80)
        for name, _, value in (card.partition(" = ") for card in cards)
    )
    return header.ljust(2880).encode() + np.arange(64, dtype=">i2").tobytes().ljust(2880, b"\0")


def hostile_pictures() -> dict[str, bytes]:
    return {
        "EPS": EPS,
        "IPTC that holds an EPS": iptc(EPS),
        "IPTC in IPTC": iptc(iptc(EPS)),
        "TIFF of a tile of 2 GB": tiff_of_one_tile(46_000, compression=5),
        "TIFF of a tile of 1 GB": tiff_of_one_tile(32_768, compression=8),
        "JPEG of 3,000 scans": jpeg_of_many_scans(3_000),
        "JPEG2000 of 81 million pixels": jpeg2000(SIDE),
        "FITS": fits(),
    }
