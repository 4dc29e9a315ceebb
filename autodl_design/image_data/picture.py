"""Reads a picture of any size and of any of the FORMATS as RGB pixels of one size.

    pixels = load_picture("ship.png", size=32)    # uint8 [3, 32, 32]

It is turned as its EXIF orientation says, transparent parts become white, and its whole is scaled, so one
that is not square is squeezed. Of an animation it is the first picture.

Any file is answered within about a minute and 2 GB of memory: it has at most MAX_FILE_BYTES and, by
Pillow's limit, 89 million pixels; `_check_work` has the limits of single formats.
"""

import contextlib
import os
import re
import threading
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from autodl_design.checked_io.messages import quoted
from autodl_design.checked_io.regular_files import open_regular
from autodl_design.image_data.errors import DatasetError

# Pillow's own list is longer: EPS starts a program, Ghostscript, and IPTC opens an inner picture of any
# format. None of these does; the picture in an ICO is a PNG or a BMP. TGA is last, since its files do not
# begin with a sign.
FORMATS = (
    "PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "ICO", "SGI", "TGA"
)  # fmt: skip
MAX_FILE_BYTES = 2**30  # a picture of 89 million pixels with 16 bits and no compression has 0.7 GB
MAX_SCANNED_PIXELS = 3_000_000_000  # pixels of a JPEG times its scans; each scan visits all pixels
# What every decoder asks of a scan's header: its length, then the number of components that fits it.
SCAN = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")
SCAN_BYTES = 5
STRIP = 256  # rows that are converted at once
MAX_JPEG2000_PIXELS = 50_000_000  # its decoder takes 16 bytes a pixel, beside Pillow's four
BITS_PER_SAMPLE, PHOTOMETRIC, TILE_WIDTH, TILE_LENGTH = 258, 262, 322, 323  # TIFF tags
BLACK_IS_ZERO = 1


class PictureError(DatasetError):
    """A file that cannot be read as a picture; the text is for the user."""


def load_picture(path: str | os.PathLike, size: int) -> np.ndarray:
    """uint8 [3, size, size]. Raises PictureError where the file is no picture of the FORMATS, is damaged or
    too large, or does not say which of its values is white."""
    shown = quoted(os.fspath(path))
    try:
        with _silent_libraries(), open_regular(path) as file, warnings.catch_warnings():
            if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
                raise PictureError(f"has more than {MAX_FILE_BYTES:,} bytes: save it anew")
            warnings.simplefilter("ignore")  # remarks on what Pillow mends
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as picture:
                _check_range(picture)
                _check_work(picture, file)
                _mend_transparency(picture)
                ImageOps.exif_transpose(picture, in_place=True)
                pixels = _rgb(picture).resize((size, size), Image.Resampling.BOX)
    except PictureError as error:
        raise PictureError(f"{shown} {error}") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{shown} is not a picture of a known format") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = f"{Image.MAX_IMAGE_PIXELS:,} pixels"
        raise PictureError(f"{shown} has more than {limit}: scale it down") from error
    except OSError as error:
        reason = error.strerror or f"the picture is damaged ({quoted(str(error))})"
        raise PictureError(f"{shown}: {reason}") from error
    except Exception as error:  # what a damaged picture may raise is up to Pillow
        raise PictureError(f"{shown}: the picture is damaged ({quoted(str(error))})") from error
    return np.asarray(pixels).transpose(2, 0, 1)


_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def _silent_libraries() -> Iterator[None]:
    """libtiff writes what it finds wrong to the process's standard error by itself, without the name of the
    file. Here that leads nowhere."""
    with _one_at_a_time:
        try:
            standard_error = os.dup(2)
        except OSError:  # closed
            yield
            return
        try:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)


def _check_range(picture: Image.Image) -> None:
    """Raises PictureError where nothing says which value is white."""
    if picture.mode == "F" or (picture.mode == "I" and picture.format not in ("PNG", "PPM")):
        raise PictureError("has 32-bit pixels, whose range it does not say: save it with 8 or 16 bits")
    if picture.mode == "LAB":
        raise PictureError("has LAB colours: save it with RGB")
    if picture.mode.startswith("I;16") and picture.format == "TIFF":
        tags = picture.tag_v2  # type: ignore[attr-defined]
        if (tags.get(BITS_PER_SAMPLE), tags.get(PHOTOMETRIC)) != ((16,), BLACK_IS_ZERO):
            raise PictureError("is a TIFF of an unusual kind: save it with 8 bits")


def _check_work(picture: Image.Image, file: BinaryIO) -> None:
    """Raises PictureError where decoding takes far more time or memory than the pixels of a picture of the
    largest size do."""
    pixels = picture.width * picture.height
    if picture.format == "JPEG2000" and pixels > MAX_JPEG2000_PIXELS:
        raise PictureError(f"has more than {MAX_JPEG2000_PIXELS:,} pixels: scale it down")
    if picture.format == "TIFF":
        tags = picture.tag_v2  # type: ignore[attr-defined]
        if tags.get(TILE_WIDTH, 1) * tags.get(TILE_LENGTH, 1) > Image.MAX_IMAGE_PIXELS:
            raise PictureError("is a TIFF with tiles too large to be read: save it anew")
    if picture.format in ("JPEG", "MPO"):
        scans = _count_scans(file)
        if scans * pixels > MAX_SCANNED_PIXELS:
            raise PictureError(f"is a JPEG of {scans} scans, too many for its size: save it anew")


def _count_scans(file: BinaryIO) -> int:
    """A progressive JPEG may go over all its pixels again with every hundred bytes."""
    position = file.tell()
    file.seek(0)
    scans, tail = 0, b""
    while block := file.read(2**20):
        scans += len(SCAN.findall(tail + block))
        tail = block[1 - SCAN_BYTES :]  # too short for a scan that was counted
    file.seek(position)
    return scans


def _mend_transparency(picture: Image.Image) -> None:
    """The value that a PNG calls transparent has the depth of the file, Pillow's pixels have 8 bits."""
    if picture.format != "PNG" or type(picture.info.get("transparency")) not in (int, tuple):
        return
    value, form = picture.info["transparency"], picture.tile[0].args  # type: ignore[attr-defined]
    if form in ("L", "L;2", "L;4"):
        bits = {"L": 8, "L;2": 2, "L;4": 4}[form]
        largest = 2**bits - 1
        value = (value & largest) * (255 // largest)
    elif form == "RGB":
        value = tuple(part & 255 for part in value)
    elif form == "RGB;16B":
        value = tuple(part >> 8 for part in value)
    picture.info["transparency"] = value


def _rgb(picture: Image.Image) -> Image.Image:
    """In strips, since what stands between a picture and its RGB form takes several times its memory."""
    whole = Image.new("RGB", picture.size)
    for top in range(0, picture.height, STRIP):
        strip = picture.crop((0, top, picture.width, min(top + STRIP, picture.height)))
        whole.paste(_rgb_strip(strip), (0, top))
    return whole


def _rgb_strip(strip: Image.Image) -> Image.Image:
    if strip.mode.startswith("I"):  # 16 bits, which Pillow's own conversion would cut off at 255
        grey = np.asarray(strip)
        scaled = np.rint(grey / 257).clip(0, 255).astype(np.uint8)
        if type(strip.info.get("transparency")) is int:
            scaled[grey == strip.info["transparency"]] = 255
        strip = Image.fromarray(scaled)
    elif strip.has_transparency_data:
        strip = strip.convert("RGBA")
        strip = Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip)
    return strip.convert("RGB")
