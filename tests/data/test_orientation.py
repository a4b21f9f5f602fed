"""EXIF orientation, deep colours, sizes that would fill the memory, and lists of all bad pictures."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dropmix.data import DataError, load
from dropmix.data.decode import decode_one
from dropmix.data.picture import read_picture
from dropmix.data.resize import resize_folder


def turned(rng, orientation, kind="JPEG"):
    rows, columns = np.mgrid[0:24, 0:36]
    pixels = np.stack([rows * 9, columns * 6, rows + columns], 2).astype(np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, exif=exif, quality=95)
    return out.getvalue(), pixels


def upright(pixels, orientation):
    """What a viewer shows, by the definition of the eight values."""
    flips = {1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1]}
    turns = {5: lambda p: p.transpose(1, 0, 2), 6: lambda p: np.rot90(p, -1), 8: lambda p: np.rot90(p)}
    turns[7] = lambda p: p[::-1, ::-1].transpose(1, 0, 2)
    return (flips | turns)[orientation](pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_are_turned_on_every_path(tmp_path, rng, orientation, kind):
    encoded, pixels = turned(rng, orientation, kind)
    file = tmp_path / "a.jpg"
    file.write_bytes(encoded)
    expected = upright(pixels, orientation).astype(int)
    for got in (decode_one(encoded, "a", None, exif=True), read_picture(str(file), exif=True)):
        assert got.shape == expected.shape
        assert np.abs(got.astype(int) - expected).mean() < 4
    assert read_picture(str(file)).shape == pixels.shape
    (tmp_path / "set").mkdir()
    file.rename(tmp_path / "set/a.jpg")
    resize_folder(tmp_path / "set", tmp_path / "small", 12, 1)
    with Image.open(tmp_path / "small/a.jpg") as copy:
        assert copy.getexif().get(274, 1) == 1
        assert (copy.height > copy.width) == (expected.shape[0] > expected.shape[1])


def png16(white, colour):
    """A 2 x 2 PNG of 16 bits per channel; `colour` 2 is RGB, 0 gray, 6 RGBA."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    rows = b"".join(b"\0" + struct.pack(">H", white) * channels * 2 for _ in range(2))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, colour, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("white", [4095, 65535])
@pytest.mark.parametrize("colour", [0, 2, 6])
def test_deep_pictures_are_refused_by_name(tmp_path, white, colour):
    (tmp_path / "deep.png").write_bytes(png16(white, colour))
    with pytest.raises(DataError, match=r"deep.png: expected a picture of 8 bits per channel, got (mode I;16|16 bits)"):
        read_picture(str(tmp_path / "deep.png"))


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"P6 2 2 65535\n", bytes(24)),
        (b"P6\n2 2\n4095\n", bytes(24)),
        (b"P3 2 2 1023\n", b"0 1 2 " * 4),
        (b"P5 2 2 65535\n", bytes(8)),
        (b"P2 2 2 4095\n", b"0 1 2 3"),
    ],
)
def test_deep_pixmaps_are_refused_as_deep_pngs_are(tmp_path, head, body):
    (tmp_path / "deep.ppm").write_bytes(head + body)
    with pytest.raises(DataError, match=r"deep.ppm: expected a picture of 8 bits per channel, got (mode I|values up)"):
        read_picture(str(tmp_path / "deep.ppm"))


@pytest.mark.parametrize("largest", [100, 255])
def test_pixmaps_of_8_bits_are_read(tmp_path, largest):
    (tmp_path / "a.ppm").write_bytes(b"P6 1 1 %d\n" % largest + bytes([0, largest // 5, largest]))
    assert read_picture(str(tmp_path / "a.ppm")).tolist() == [[[0, 51, 255]]]


def huge(kind):
    """A small file whose header says that it is as large as the format allows."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind)
    content = bytearray(out.getvalue())
    if kind == "JPEG":
        place = content.index(b"\xff\xc0") + 5
        content[place : place + 4] = struct.pack(">HH", 65500, 65500)
    else:
        content[16:24] = struct.pack(">II", 40000, 40000)
        content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return bytes(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_bombs_are_refused_on_every_path(tmp_path, kind):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/bomb.jpg").write_bytes(huge(kind))
    with pytest.raises(DataError, match=r"bomb.jpg: expected at most 89,478,485 pixels, got (65500x65500|more)"):
        read_picture(str(tmp_path / "set/bomb.jpg"))
    counts = resize_folder(tmp_path / "set", tmp_path / "out", 8, 1)
    assert len(counts.damaged) == 1


def test_all_bad_pictures_are_listed_at_once(tmp_path, rng, write_folder):
    names = [f"{split}/{c}/{n}.png" for split in ("train", "test") for c in "ab" for n in range(5)]
    root = write_folder(tmp_path / "set", {name: rng.integers(0, 256, (6, 6, 3), dtype=np.uint8) for name in names})
    for name in ("train/a/0.png", "train/b/3.png", "test/a/1.png"):
        (root / name).write_bytes(b"broken")
    with pytest.raises(DataError, match=r"3 pictures cannot be used: .*train/a/0.png.*train/b/3.png.*test/a/1.png"):
        load("folder", root)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "RGBA"])
@pytest.mark.parametrize("packed", ["raw", "tiff_lzw", "tiff_deflate"])
@pytest.mark.parametrize("exif", [False, True])
def test_tiffs_are_turned_in_every_mode_however_they_are_opened(tmp_path, rng, orientation, mode, packed, exif):
    picture = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)).convert(mode)
    tag = Image.Exif()
    tag[274] = orientation
    file = tmp_path / "a.tif"
    picture.save(file, compression=packed, exif=tag)
    expected = upright(np.asarray(picture.convert("RGB")), orientation)
    np.testing.assert_array_equal(decode_one(str(file), "a", None, exif), expected)
    np.testing.assert_array_equal(decode_one(file.read_bytes(), "a", None, exif), expected)
    np.testing.assert_array_equal(read_picture(str(file), exif), expected)
