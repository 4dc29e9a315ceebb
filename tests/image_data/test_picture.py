"""Pictures of every kind: the same scene has to come out as the same pixels, or one line says why not."""

import inspect
import io
import os
import re
import socket
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from helpers import ROOT
from PIL import Image

from autodl_design.image_data.picture import FORMATS, PictureError, load_picture
from checks.hostile.pictures import hostile_pictures, jpeg_of_many_scans, tiff_of_one_tile

SIZE = 32
HOSTILE = hostile_pictures()


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


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width, height):
    """A picture that says it is large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
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


@pytest.mark.parametrize("name", HOSTILE)
def test_no_picture_starts_a_program_or_takes_long(tmp_path, monkeypatch, name):
    started = tmp_path / "started"
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {started}\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "a.jpg").write_bytes(HOSTILE[name])
    before = time.process_time()
    with pytest.raises(PictureError, match="not a picture|scale it down|save it anew"):
        load_picture(tmp_path / "a.jpg", SIZE)
    assert time.process_time() - before < 2 and not started.exists()


def test_no_allowed_format_opens_pictures_of_other_formats():
    """A look into Pillow's own code, which every version may change."""
    Image.init()
    for name in FORMATS:
        code = re.sub("#.*", "", inspect.getsource(Image.OPEN[name][0]))
        assert "Image.open(" not in code, name


def test_a_file_that_is_too_large_is_refused(tmp_path):
    with open(tmp_path / "a.bmp", "wb") as file:
        file.write(b"BM")
        file.truncate(2**40)
    with pytest.raises(PictureError, match="more than 1,073,741,824 bytes"):
        load_picture(tmp_path / "a.bmp", SIZE)


def test_an_ordinary_number_of_scans_is_read(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg_of_many_scans(90, side=1000))
    assert load_picture(tmp_path / "a.jpg", SIZE).shape == (3, SIZE, SIZE)


def test_libraries_write_nothing_to_standard_error(tmp_path, capfd):
    (tmp_path / "a.tif").write_bytes(tiff_of_one_tile(64, compression=5))
    with pytest.raises(PictureError, match="damaged"):
        load_picture(tmp_path / "a.tif", SIZE)
    os.write(2, b"ours")
    assert capfd.readouterr().err == "ours"


def test_standard_error_may_be_closed(tmp_path, scene):
    path = saved(scene, tmp_path / "a.png")
    code = (
        f"from autodl_design.image_data.picture import load_picture as l; print(l({str(path)!r}, 2).shape)"
    )
    command = f'exec {sys.executable} -c "$1" 2>&-'
    done = subprocess.run(["bash", "-c", command, "bash", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "(3, 2, 2)\n"


@pytest.mark.parametrize(("bits", "kind"), [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2)])
def test_the_transparent_value_of_every_depth_is_white(tmp_path, bits, kind):
    """PNGs of grey (kind 0) and of RGB: the first pixel has the transparent value, the second is black."""
    values = 1 if kind == 0 else 3
    value = struct.pack(">H", 1 if bits < 16 else 0x1234) * values
    pixel = {1: b"\x80", 2: b"\x40", 4: b"\x10"}.get(bits)  # the value 1, then 0, from the left
    row = pixel or (value if bits == 16 else value[1::2]) + bytes(values * bits // 8)
    header = struct.pack(">IIBBBBB", 2, 1, bits, kind, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tRNS", value)
    (tmp_path / "a.png").write_bytes(
        content + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    )
    assert load_picture(tmp_path / "a.png", 2)[:, 0].tolist() == [[255, 0]] * 3


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
