"""Pictures of every kind: the same scene has to come out as the same pixels, or one line says why not."""

import io
import os
import socket
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from autodl_design.image_data.picture import PictureError, load_picture

SIZE = 32


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    """Grey, lighter to the right, with a black upper left quarter."""
    grey = np.tile(np.linspace(64, 255, SIZE), (SIZE, 1)).astype(np.uint8)
    grey[: SIZE // 2, : SIZE // 2] = 0
    return Image.fromarray(grey)


def expected(scene):
    return np.asarray(scene.convert("RGB")).transpose(2, 0, 1)


def saved(picture, path, **options):
    picture.save(path, **options)
    return path


def difference(path, scene):
    pixels = load_picture(path, SIZE)
    assert pixels.shape == (3, SIZE, SIZE) and pixels.dtype == np.uint8
    return np.abs(pixels.astype(int) - expected(scene)).max()


@pytest.mark.parametrize("suffix", ["png", "tif", "jp2", "pgm"])
def test_16_bits_are_scaled(scene, tmp_path, suffix):
    deep = Image.fromarray(np.asarray(scene).astype(np.uint16) * 257)
    assert difference(saved(deep, tmp_path / f"deep.{suffix}"), scene) <= 1


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "webp", "tif", "ppm", "tga"])
def test_formats_without_loss(scene, tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    assert difference(saved(scene.convert("RGB"), tmp_path / f"a.{suffix}", **options), scene) == 0


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "LA", "CMYK", "YCbCr"])
def test_modes(scene, tmp_path, mode):
    picture = scene.convert("RGB").convert(mode)
    path = saved(picture, tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr") else "a.png"))
    # How a palette or two values show the scene is theirs; they must only be read as they show it.
    assert difference(path, picture.convert("RGB")) <= 2
    assert load_picture(path, SIZE)[:, : SIZE // 2, : SIZE // 2].max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_orientation(scene, tmp_path, orientation, suffix):
    turned_back = {
        1: [], 2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE], 8: [Image.Transpose.ROTATE_270],
    }[orientation]  # fmt: skip
    picture = scene
    for step in turned_back:
        picture = picture.transpose(step)
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a.{suffix}"
    picture.save(path, exif=exif, **({"quality": 100} if suffix == "jpg" else {}))
    assert difference(path, scene) <= 12


def test_transparent_parts_are_white(tmp_path):
    picture = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 4, 8))
    pixels = load_picture(saved(picture, tmp_path / "a.png"), 2)
    assert pixels[:, 0].tolist() == [[0, 255], [0, 255], [255, 255]]
    indexed = Image.new("P", (2, 1))
    indexed.putpalette([0, 0, 0, 9, 9, 9])
    indexed.putdata([0, 1])
    pixels = load_picture(saved(indexed, tmp_path / "b.png", transparency=1), 2)
    assert pixels[:, 0].tolist() == [[0, 255]] * 3


def test_any_shape_is_scaled(tmp_path):
    assert load_picture(saved(Image.new("RGB", (1, 700), "red"), tmp_path / "a.png"), 8)[0].min() == 255


def test_the_first_picture_of_an_animation(scene, tmp_path):
    scene.save(tmp_path / "a.gif", save_all=True, append_images=[Image.new("L", scene.size, 255)])
    assert difference(tmp_path / "a.gif", scene) == 0


def png_of(width, height):
    """A picture that says it is large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def content_of(picture, suffix, **options):
    buffer = io.BytesIO()
    picture.save(buffer, suffix, **options)
    return buffer.getvalue()


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
DEEP = Image.fromarray(np.zeros((4, 4), np.uint16))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a picture"),
        (b"# Text\n", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not a picture"),
        (content_of(NOISE, "PNG")[:2000], "damaged"),
        (content_of(NOISE, "JPEG")[:700], "damaged"),
        (content_of(NOISE, "PNG").replace(b"IDAT", b"IDAX"), "not a picture"),
        (png_of(10_000, 9_000), "more than 89,478,485 pixels"),
        (png_of(2**31 - 1, 2**31 - 1), "more than 89,478,485 pixels"),
        (content_of(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"), "32-bit pixels"),
        (content_of(Image.fromarray(np.zeros((4, 4), np.int32)), "TIFF"), "32-bit pixels"),
        (content_of(DEEP, "TIFF", tiffinfo={262: 0}), "unusual kind"),
        (content_of(Image.new("LAB", (4, 4)), "TIFF"), "LAB"),
    ],
)
def test_what_cannot_be_read_rightly_is_refused(tmp_path, content, complaint):
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(PictureError) as raised:
        load_picture(path, SIZE)
    assert complaint in str(raised.value) and str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    for path, complaint in [
        (tmp_path / "fifo", "is not a regular file"),
        (tmp_path / "socket", "is not a regular file"),
        ("/dev/zero", "is not a regular file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "none", "No such file"),
        ("x\x1b[2J" + "y" * 300, "too long"),
    ]:
        with pytest.raises(PictureError, match=complaint) as raised:
            load_picture(path, SIZE)
        assert str(raised.value).isprintable() and len(str(raised.value)) < 300
    server.close()


def test_damaged_pictures_end_in_pixels_or_in_one_line(tmp_path):
    """Seeded changes of small pictures of many formats."""
    rng = np.random.default_rng(0)
    small = NOISE.resize((9, 7))
    formats = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO", "JPEG2000", "PCX", "DDS"]
    path = tmp_path / "a"
    for content in (content_of(small, name) for name in formats):
        for _ in range(60):
            changed = bytearray(content)
            for position in rng.integers(0, min(len(content), 200), rng.integers(1, 5)):
                changed[position] = rng.integers(0, 256)
            path.write_bytes(changed[: rng.integers(1, len(content) + 1)])
            try:
                assert load_picture(path, 8).shape == (3, 8, 8)
            except PictureError as error:
                assert str(error).isprintable()
