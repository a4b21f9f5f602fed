"""Pictures whose headers claim 65,500 x 65,500 pixels: refused by name, cheaply, wherever pictures are read."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIDE = 65_500
PEAK = 1_000_000_000  # bytes


def png() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def jpeg(folder: Path) -> bytes:
    Image.new("RGB", (9, 9)).save(folder / "small.jpg")
    whole = (folder / "small.jpg").read_bytes()
    (folder / "small.jpg").unlink()
    place = whole.index(b"\xff\xc0") + 5
    return whole[:place] + struct.pack(">HH", SIDE, SIDE) + whole[place + 4 :]


@pytest.fixture
def photos(here: Path) -> tuple[str, ...]:
    """Names of five bombs among sound pictures of two classes."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (here / "photos" / name).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(here / "photos" / name / f"{i}.png")
    info = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, 0, 0, 0, 0, 0)
    bombs = {
        "cat/a.png": png(),
        "cat/b.jpg": jpeg(here),
        "dog/c.gif": b"GIF89a"
        + struct.pack("<HH", SIDE, SIDE)
        + b"\0\0\0,\0\0\0\0"
        + struct.pack("<HH", SIDE, SIDE)
        + b"\0\2\0;",
        "dog/d.ppm": b"P6 65500 65500 255\n" + bytes(100),
        "dog/e.bmp": b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + info,
    }
    for name, content in bombs.items():
        (here / "photos" / name).write_bytes(content)
    return tuple(bombs)


RUN = ("run", "folder", "--data", "photos", "--dry-run", "--set", "data.size=8")


@pytest.mark.parametrize(
    "words",
    [RUN, (*RUN, "--folds", "2"), (*RUN, "--set", "data.resized_crop=true"), (*RUN[:4], *RUN[5:], "--out", "out")],
    ids=["dry", "folds", "streamed", "run"],
)
def test_a_grid_refuses_them_and_names_each(run, here: Path, photos: tuple[str, ...], words: tuple[str, ...]) -> None:
    ran = run(*words)
    assert ran.status == 2
    assert all(name in ran.err for name in photos), ran.err
    assert "at most 89,478,485 pixels" in ran.err
    assert "Make it smaller" in ran.err
    assert ran.peak < PEAK
    assert not (here / "out").exists()


def test_resizing_leaves_them_out_and_is_not_complete(run, here: Path, photos: tuple[str, ...]) -> None:
    ran = run("resize", "photos", "out", "--size", "8")
    assert ran.status == 1
    assert "12 pictures resized" in ran.out
    assert all(f"failed: photos/{name}: expected at most" in ran.err for name in photos)
    assert ran.peak < PEAK
    assert '"complete": false' in (here / "out/resized.json").read_text()


def tiff() -> bytes:
    tags = ((256, SIDE), (257, SIDE), (258, 8), (259, 1), (262, 1), (273, 200), (277, 1), (278, SIDE), (279, 100))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(300)


def webp() -> bytes:
    size = struct.pack("<I", SIDE - 1)[:3]
    body = b"VP8X" + struct.pack("<II", 10, 0) + size + size
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body + bytes(50)


def text_chunk() -> bytes:
    """A picture with a comment of half a gigabyte."""
    small = png()
    comment = b"zTXtk\0\0" + zlib.compress(bytes(500_000_000), 1)
    end = 8 + 25  # signature and header
    chunk = struct.pack(">I", len(comment) - 4) + comment + struct.pack(">I", zlib.crc32(comment))
    return small[:end] + chunk + small[end:]


@pytest.mark.parametrize("name", ["a.png", "b.jpg", "f.tiff", "g.webp", "h.png"])
def test_pictures_to_show_are_refused(run, refused, here: Path, photos: tuple[str, ...], name: str) -> None:
    more = {"f.tiff": tiff, "g.webp": webp, "h.png": text_chunk}
    if name in more:
        (here / "photos/cat" / name).write_bytes(more[name]())
    refused("show", "cutmix", f"photos/cat/{name}", "photos/dog/1.png", "--out", "out", names=name)
