"""One picture, from its file to a square of pixels: read, cropped at random size, or cut from its centre.

Pictures are NumPy arrays, uint8 (H, W, 3), because torch splits the copy of one picture among threads. On busy cores
these wait for each other, and reading took twenty times as long.
"""

import io
import math
import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from dropmix.data.decode import check_pixels, decode_one
from dropmix.data.files import unreadable
from dropmix.data.records import DataError

AREA = (0.08, 1.0)
RATIO = (3 / 4, 4 / 3)
TRIES = 10
BOX_DRAWS = 2 * TRIES + 2
"""Number of uniform draws per box, used or not."""
JPEG = b"\xff\xd8"


@cache
def torch_decoder() -> Callable[..., Any] | None:
    """torchvision's decoder of JPEGs, or None; its import takes 150 MB and a second, so it waits for a JPEG."""
    try:
        from torchvision.io import ImageReadMode, decode_jpeg
    except ImportError:  # deprecated since torchvision 0.29; without it, Pillow gives the same pixels more slowly
        return None
    return lambda encoded, exif: decode_jpeg(encoded, ImageReadMode.RGB, apply_exif_orientation=exif)


Box = tuple[int, int, int, int]


def read_picture(file: str, exif: bool = False) -> np.ndarray:
    """A picture's pixels; gray and CMYK pictures become RGB, equal to Pillow's.

    JPEGs are decoded by torchvision, which is faster, the rest by Pillow. The first bytes decide, not the name:
    ImageNet has a PNG named JPEG.

    Args:
        file: path of the picture.
        exif: turn it by its EXIF orientation.
    Returns:
        uint8 (H, W, 3).
    Raises:
        DataError: the file is missing, damaged or not a picture of 8 bits per channel; the message names it.
    """
    try:
        if not os.path.isfile(file) and os.path.exists(file):  # a device or a pipe would never end
            raise DataError(f"{file}: expected a picture, got no regular file. Replace or remove it.")
        with open(file, "rb") as stored:
            encoded = stored.read()
    except OSError as error:
        raise unreadable(file, error) from error
    if encoded.startswith(JPEG) and (decode_jpeg := torch_decoder()):
        try:
            with Image.open(io.BytesIO(encoded)) as header:
                check_pixels(header.size, file)
            # Torch needs writable memory.
            stored = [torch.frombuffer(bytearray(encoded), dtype=torch.uint8)]
            (picture,) = decode_jpeg(stored, exif)
            return picture.permute(1, 2, 0).numpy()
        except DataError:
            raise
        except Exception:
            pass  # Pillow either reads it or says in one line what is wrong
    return decode_one(encoded, file, None, exif).copy()  # Pillow's is read-only, and torch would warn


def random_box(height: int, width: int, draws: Sequence[float]) -> Box:
    """The box of a random-resized crop, distributed as in torchvision's RandomResizedCrop.

        area ~ U(0.08, 1) of the picture, log ratio ~ U(log 3/4, log 4/3); the first of ten tries that fits, at a
        uniform place

    Args:
        height, width: of the picture, pixels.
        draws: BOX_DRAWS numbers in [0, 1): area and ratio of each try, then the place.
    Returns:
        top, left, height, width. If no try fits, the centre, with its ratio clipped to the range.
    Source:
        Szegedy et al. 2015, Sec. 6. Differs from torchvision: draws are given, as real numbers instead of integers.
    Example:
        >>> random_box(100, 200, [0.0, 0.5] * 10 + [0.0, 0.999])
        (0, 160, 40, 40)
    """
    for area, ratio in zip(draws[0 : 2 * TRIES : 2], draws[1 : 2 * TRIES : 2]):
        target = height * width * (AREA[0] + (AREA[1] - AREA[0]) * area)
        log = math.log(RATIO[0]) + (math.log(RATIO[1]) - math.log(RATIO[0])) * ratio
        w, h = round(math.sqrt(target * math.exp(log))), round(math.sqrt(target / math.exp(log)))
        if 0 < w <= width and 0 < h <= height:
            top, left = (int(draw * (room + 1)) for draw, room in zip(draws[-2:], (height - h, width - w)))
            return top, left, h, w
    h, w = height, width
    if width < RATIO[0] * height:
        h = round(width / RATIO[0])
    elif width > RATIO[1] * height:
        w = round(height * RATIO[1])
    return (height - h) // 2, (width - w) // 2, h, w


def resized_crop(picture: np.ndarray, box: Box, size: int) -> np.ndarray:
    """The part of a picture, resized to a square (bilinear with antialiasing).

    Args:
        picture: uint8 (H, W, 3).
        box: top, left, height, width.
        size: side of the square, pixels.
    Returns:
        uint8 (size, size, 3), equal to torchvision.transforms.v2.functional.resized_crop.
    """
    top, left, height, width = box
    return resize(picture[top : top + height, left : left + width], size, size)


def centre_crop(picture: np.ndarray, size: int) -> np.ndarray:
    """The centre of a picture whose shorter side is resized to 8/7 of the square: to 256 pixels for 224.

    Args:
        picture: uint8 (H, W, 3).
        size: side of the square, pixels.
    Returns:
        uint8 (size, size, 3), equal to torchvision.transforms.v2's Resize and CenterCrop.
    """
    picture = shorter_side(picture, size * 8 // 7)
    height, width, _ = picture.shape
    top, left = round((height - size) / 2), round((width - size) / 2)
    return picture[top : top + size, left : left + size]


def shorter_side(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture, uint8 (H, W, 3), with its shorter side resized to `side` pixels; the longer one is rounded down."""
    height, width, _ = picture.shape
    short = min(height, width)
    return resize(picture, int(side * height / short), int(side * width / short))


def resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture, uint8 (H, W, 3), resized to uint8 (height, width, 3), bilinear with antialiasing."""
    if picture.shape[:2] == (height, width):
        return picture
    # For this memory format torch has a kernel for whole numbers, its fastest.
    batch = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
    return F.interpolate(batch, (height, width), mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
