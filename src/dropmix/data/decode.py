"""Decode pictures into one uint8 array, in threads (Pillow's decoders release the GIL)."""

import io
import os
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import numpy as np

from dropmix.data.records import BadPictures, DataError

# Everything that Image.open takes from memory or disk.
Encoded = bytes | memoryview | str | os.PathLike
GRAY = {"1", "L", "LA"}
DEEP = {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
CHUNK = 64
HEADS = 50_000
"""Largest number of pictures per split whose headers are worth reading before a run."""
HEADERS, MAY_HAVE_ALPHA = 5_000, {".png", ".webp", ".gif", ".tif", ".tiff"}
PIXELS = 89_478_485
"""Largest number of pixels per picture; above it, Pillow warns of a file made to fill the memory."""


SMALLER = "Make it smaller beforehand or remove it."
REPLACE, POINTER = "Replace or remove it", b"version https://git-lfs"
BITS_PER_SAMPLE, SAMPLE_FORMAT, SIGNED = 258, 339, 2
"""Tags of a TIFF, and a value of the second."""


def threads() -> int:
    """Number of threads to start: the cores that this process may use, at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, cores)


def decode_one(encoded: Encoded, where: str, size: int | None, exif: bool = False) -> np.ndarray:
    """One picture as uint8 (H, W, 3); gray pictures get three equal channels.

    With `size` the shorter side is resized to it (bilinear with antialiasing) and the centre cut out, equal to
    torchvision's Resize and CenterCrop. With `exif` the picture is turned by its EXIF orientation. Only the
    first of several frames is read, and transparency is dropped, as in torchvision.

    Raises:
        DataError: the picture is damaged, larger than `PIXELS` or holds more than 8 bits per channel; `where` names it.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        # An open file, since Pillow 13 maps a path into memory, and scrambles gray TIFFs that it turns by 90 degrees.
        with _stored(encoded) as stored, Image.open(stored) as picture:
            mode = picture.mode
            check_pixels(picture.size, where)
            if got := other_depth(picture):
                raise DataError(f"{where}: expected a picture of 8 bits per channel, got {got}. Convert it beforehand.")
            picture = gray_bmp(picture) or picture
            if exif:
                picture = ImageOps.exif_transpose(picture)
            rgb = picture.convert("L").convert("RGB") if mode in GRAY else picture.convert("RGB")
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"{where}: expected at most {PIXELS:,} pixels, got more in its header. {SMALLER}") from error
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error, ...
        # Pillow's own message names an object in memory instead of the file.
        reason = "no known format" if isinstance(error, UnidentifiedImageError) else str(error).rstrip(".")
        known: dict[bytes | None, tuple[str, str]] = {
            b"": ("an empty file", REPLACE),
            POINTER: ("the pointer of Git LFS in its place", "Run git lfs pull"),
        }
        reason, advice = known.get(_head(encoded), (reason, REPLACE))
        raise DataError(f"{where}: expected a picture that Pillow can read, got {reason}. {advice}.") from error
    if size is not None:
        rgb = centre(rgb, size)
    return np.asarray(rgb)


def _stored(encoded: Encoded) -> IO[bytes]:
    return open(encoded, "rb") if isinstance(encoded, str | os.PathLike) else io.BytesIO(encoded)


def other_depth(picture: Any) -> str:
    """What an opened Pillow image holds instead of 8 unsigned bits per channel, or "".

    Pillow would keep the upper 8 of 16 bits, which turns a 12-bit camera's white into black; of planes of 16 bits, in a
    TIFF, it reads half as if they had 8, and negative numbers as large ones. A PPM is scaled by the largest value that
    its header names, which such a camera leaves at 65535.
    """
    if picture.mode in DEEP:
        return f"mode {picture.mode}"
    if picture.format == "PPM" and isinstance(args := picture.tile[0].args, tuple) and args[-1] > 255:
        return f"values up to {args[-1]}"
    tags = getattr(picture, "tag_v2", {})
    bits = max(tags.get(BITS_PER_SAMPLE) or (8,))
    if bits > 8 or any(";16" in str(tile[3]) for tile in getattr(picture, "tile", ())):
        return f"{max(16, bits)} bits in mode {picture.mode}"
    return "signed numbers" if SIGNED in (tags.get(SAMPLE_FORMAT) or ()) else ""


def gray_bmp(picture: Any) -> Any:
    """The Pillow image of a BMP of 4 or 8 bits per pixel whose palette is black and white, or few grays; else None.

    Pillow 13 takes each byte of such a file for eight pixels of black and white, in silence, and refuses the grays of
    4 bits.
    """
    from PIL import Image

    if picture.format != "BMP" or picture.mode not in ("1", "L") or picture.tile[0].codec_name != "raw":
        return None
    file, (width, height) = picture.fp, picture.size
    file.seek(0)
    head = file.read(30)
    (bits,) = struct.unpack_from("<H", head, 28 if head[14] >= 40 else 24)
    if bits not in (4, 8) or (picture.mode, bits) == ("L", 8):
        return None
    stride = (width * bits + 31) // 32 * 4
    file.seek(picture.tile[0].offset)
    if len(stored := file.read(stride * height)) < stride * height:
        raise OSError("image file is truncated")
    rows = np.frombuffer(stored, np.uint8).reshape(height, stride)[:: picture.tile[0].args[2]]
    if bits == 4:
        rows = np.stack([rows >> 4, rows & 15], axis=2).reshape(height, -1)
    return Image.fromarray(rows[:, :width] * np.uint8(255 if picture.mode == "1" else 1))


def _head(encoded: Encoded) -> bytes | None:
    """The first bytes, as many as `POINTER` has; None of a file that cannot be opened."""
    try:
        with _stored(encoded) as stored:
            return stored.read(len(POINTER))
    except OSError:
        return None


def check_pixels(size: tuple[int, int], where: str) -> None:
    """Raise DataError for a (width, height) that would fill the memory; call it before pixels are decoded."""
    if size[0] * size[1] > PIXELS:
        raise DataError(
            f"{where}: expected at most {PIXELS:,} pixels, got {size[0]}x{size[1]} in its header. {SMALLER}"
        )


def centre(picture, size: int):
    """Resize the shorter side of a Pillow image to `size` and cut the central square out."""
    from PIL import Image

    width, height = picture.size
    short = min(width, height)
    # The longer side is cut off and the margins are rounded, as torchvision's Resize and CenterCrop do.
    width, height = int(size * width / short), int(size * height / short)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return picture.crop((left, top, left + size, top + size))


def resize_all(images: np.ndarray, size: int) -> np.ndarray:
    """Pictures in memory, uint8 (N, H, W, C), cut to squares as `decode_one` cuts files.

    Example:
        >>> resize_all(np.zeros((2, 8, 6, 1), np.uint8), 4).shape
        (2, 4, 4, 1)
    """
    from PIL import Image

    count, _, _, channels = images.shape
    out = np.empty((count, size, size, channels), np.uint8)
    for row, image in enumerate(images):
        out[row] = np.asarray(centre(Image.fromarray(image.squeeze(2) if channels == 1 else image), size)).reshape(
            size, size, channels
        )
    return out


def decode_all(
    encoded: Sequence[Encoded],
    where: Callable[[int], str],
    size: int | None = None,
    like: tuple[int, ...] | None = None,
    exif: bool = False,
) -> np.ndarray:
    """All pictures as uint8 (N, H, W, 3).

    Args:
        encoded: N pictures, as bytes or paths; N >= 1.
        where: names picture i in messages.
        size: side of the square that is cut out, or None where all pictures have one size.
        like: (H, W, 3) that every picture must have; None takes that of the first.
        exif: turn pictures by their EXIF orientation.
    Raises:
        BadPictures: damaged pictures, or pictures of different sizes without `size`; lists all of them.
    """
    bad: dict[int, str] = {}
    shape = like
    for row in range(len(encoded) if like is None else 0):
        try:
            shape = decode_one(encoded[row], where(row), size, exif).shape
            break
        except DataError as error:
            bad[row] = str(error)
    if shape is None:
        raise BadPictures(list(bad.values()))
    out = np.empty((len(encoded), *shape), np.uint8)

    def chunk(start: int) -> None:
        for row in range(start, min(start + CHUNK, len(encoded))):
            try:
                image = decode_one(encoded[row], where(row), size, exif)
            except DataError as error:
                bad[row] = str(error)
                continue
            if image.shape != shape:
                bad[row] = size_message(where(row), image.shape, shape)
            else:
                out[row] = image

    with ThreadPoolExecutor(threads()) as pool:
        for _ in pool.map(chunk, range(0, len(encoded), CHUNK)):
            pass
    if bad:
        raise BadPictures([bad[row] for row in sorted(bad)])
    return out


def check_headers(files: Sequence[str]) -> None:
    """Refuse pictures that training would stop at, as far as their headers tell.

    Raises:
        BadPictures: files that are empty or no pictures, too large, or not of 8 bits per channel; lists all of them.
    """
    from PIL import Image

    def check(file: str) -> str:
        try:
            with Image.open(file) as picture:
                check_pixels(picture.size, file)
                return other_depth(picture) and decode_message(file)
        except Exception:
            return decode_message(file)

    def decode_message(file: str) -> str:
        try:
            decode_one(file, file, None)
        except DataError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(threads()) as pool:
        bad = [line for line in pool.map(check, files) if line]
    if bad:
        raise BadPictures(bad)


def unusual(files: Sequence[str]) -> list[str]:
    """Remarks on pictures of which not all is used: what is transparent, and frames after the first.

    Args:
        files: paths; only headers of the first `HEADERS` that may have either are read.
    """
    from PIL import Image

    clear, moving = [], []
    for file in [file for file in files if os.path.splitext(file)[1].lower() in MAY_HAVE_ALPHA][:HEADERS]:
        try:
            with Image.open(file) as picture:
                if picture.has_transparency_data:
                    clear.append(file)
                if getattr(picture, "is_animated", False):
                    moving.append(file)
        except Exception:  # a damaged picture is told where it is read
            continue
    name = lambda pictures: f"e.g. {os.path.join(*pictures[0].split(os.sep)[-2:])}"  # noqa: E731
    told = []
    if clear:
        told.append(f"pictures with transparency: {len(clear)}, {name(clear)}; the colour stored beneath is shown")
    if moving:
        told.append(f"pictures of several frames: {len(moving)}, {name(moving)}; the first is used")
    return told


def size_message(where: str, got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """The message that refuses pictures of different sizes and says what to do."""
    return (
        f"{where}: expected a picture of {expected[1]}x{expected[0]} pixels like the first one, "
        f"got {got[1]}x{got[0]}. Give a size to cut all to: --set data.size={min(*expected[:2], *got[:2])}."
    )
