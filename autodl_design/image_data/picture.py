"""Reads a picture of any size and of any format that Pillow knows as RGB pixels of one size.

    pixels = load_picture("ship.png", size=32)    # uint8 [3, 32, 32]

It is turned as its EXIF orientation says, transparent parts become white, and its whole is scaled, so one
that is not square is squeezed. Of an animation it is the first picture.
"""

import os
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from autodl_design.checked_io.messages import quoted
from autodl_design.checked_io.regular_files import open_regular
from autodl_design.image_data.errors import DatasetError

BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262  # TIFF tags
BLACK_IS_ZERO = 1


class PictureError(DatasetError):
    """A file that cannot be read as a picture; the text is for the user."""


def load_picture(path: str | os.PathLike, size: int) -> np.ndarray:
    """uint8 [3, size, size]. Raises PictureError where the file is no picture, is damaged, has more pixels
    than Pillow's limit against decompression bombs, or does not say which of its values is white."""
    shown = quoted(os.fspath(path))
    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on what Pillow mends
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=_formats()) as picture:
                _check_range(picture)
                pixels = _rgb(ImageOps.exif_transpose(picture)).resize((size, size), Image.Resampling.BOX)
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


def _formats() -> list[str]:
    """All but EPS, which is a program that Ghostscript would run."""
    Image.init()
    return [name for name in Image.ID if name != "EPS"]


def _check_range(picture: Image.Image) -> None:
    """Raises PictureError where nothing says which value is white."""
    if picture.mode == "F" or (picture.mode == "I" and picture.format not in ("PNG", "PPM")):
        raise PictureError("has 32-bit pixels, whose range it does not say: save it with 8 or 16 bits")
    if picture.mode == "LAB":
        raise PictureError("has LAB colours: save it with RGB")
    if picture.mode.startswith("I;16") and picture.format == "TIFF":
        tags = picture.tag_v2
        if (tags.get(BITS_PER_SAMPLE), tags.get(PHOTOMETRIC)) != ((16,), BLACK_IS_ZERO):
            raise PictureError("is a TIFF of an unusual kind: save it with 8 bits")


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits, which Pillow's own conversion would cut off at 255
        picture = Image.fromarray(np.rint(np.asarray(picture) / 257).clip(0, 255).astype(np.uint8))
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")
