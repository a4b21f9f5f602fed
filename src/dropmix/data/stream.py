"""Batches of pictures that stay in their files: read ahead, cropped, and shifted in colour."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dropmix.data.picture import centre_crop, random_box, read_picture, resized_crop
from dropmix.data.records import Files

AHEAD = 2
"""Number of batches to read ahead."""
CHUNK = 4
"""Number of pictures that a thread takes at a time."""
JITTER = 0.4
LIGHTING = 0.1
GRAY = (0.299, 0.587, 0.114)
EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
COLOUR_DRAWS = 7
"""Number of uniform draws per picture."""


def colour_shifts(draws: Tensor) -> Tensor:
    """The coefficients of `shift_colours` for each picture.

    Brightness, contrast and saturation each move a pixel p by a share alpha ~ U(-0.4, 0.4) towards black, the picture's
    mean gray m, and the pixel's own gray g. Each has the form a p + b g + c m, so all three, in any order, are one such
    sum.

    Args:
        draws: (B, COLOUR_DRAWS), float64, in [0, 1): three alphas, the order, and three of the lighting.
    Returns:
        float32 (B, 6): a, b, c, and the lighting added to red, green and blue.
    Source:
        utils.py of CutMix's code, after Krizhevsky et al. 2012, Sec. 4.1. Differs: draws are given.
    Example:
        >>> colour_shifts(torch.tensor([[0.5] * 7], dtype=torch.float64))
        tensor([[1., 0., 0., 0., 0., 0.]])
    """
    alphas = JITTER * (2 * draws[:, :3] - 1)
    orders = torch.tensor(ORDERS, device=draws.device)[(6 * draws[:, 3]).long()]
    a, b, c = torch.ones_like(draws[:, 0]), torch.zeros_like(draws[:, 0]), torch.zeros_like(draws[:, 0])
    for step in range(3):
        kind = orders[:, step]
        alpha = alphas.gather(1, kind[:, None])[:, 0]
        # The gray of the sum so far is (a + b) g + c m, and its mean (a + b + c) m.
        to_gray = torch.where(kind == 2, alpha * (a + b), 0)
        to_mean = torch.where(kind == 1, alpha * (a + b + c), torch.where(kind == 2, alpha * c, 0))
        a, b, c = (1 - alpha) * a, (1 - alpha) * b + to_gray, (1 - alpha) * c + to_mean
    normal = torch.special.ndtri(draws[:, 4:].clamp_min(1e-300))
    vectors, values = (torch.tensor(v, dtype=draws.dtype, device=draws.device) for v in (EIGENVECTORS, EIGENVALUES))
    light = (normal * LIGHTING * values) @ vectors.T
    return torch.cat([torch.stack([a, b, c], 1), light], 1).float()


def shift_colours(x: Tensor, shifts: Tensor) -> Tensor:
    """Change the colours of each picture.

    Args:
        x: (B, 3, H, W), in [0, 1]; the result may leave this range, as in CutMix's code.
        shifts: (B, 6), from `colour_shifts`.
    """
    red, green, blue = GRAY
    gray = red * x[:, :1] + green * x[:, 1:2] + blue * x[:, 2:]
    a, b, c = shifts[:, :3, None, None, None].unbind(1)
    flat = c * gray.mean((2, 3), keepdim=True) + shifts[:, 3:, None, None]
    return x * a + (b * gray + flat)


@dataclass(frozen=True)
class Wanted:
    """One batch: its pictures and their draws.

    Args:
        rows: row numbers, length B.
        box: B lists of draws for `random_box`; None cuts the centre.
        flip: bool (B,), whether to mirror after cropping; None mirrors none.
        colour: float (B, 6) for `shift_colours`; None keeps the colours.
        change: function of pixels, uint8 (B, 3, size, size), that returns others of that shape, before colours; or
            None.
    """

    rows: Sequence[int]
    box: Sequence[Sequence[float]] | None = None
    flip: Sequence[bool] | None = None
    colour: Tensor | None = None
    change: Callable[[Tensor], Tensor] | None = None


class Stream:
    """Squares cut from the pictures of one split, normalised, on a device.

        RandomResizedCrop -> RandomHorizontalFlip -> colours -> Normalize, or Resize -> CenterCrop -> Normalize

    Nothing is drawn here, and the result does not depend on the number of threads. Threads suffice, because decoders
    and torch's resizing release the GIL, and they need no shared memory, lock or CUDA context.

    Args:
        files: N pictures.
        mean, std: per channel, fractions of 255; std > 0.
        device: where batches are made.
        threads: number of threads that read pictures, >= 1.
    """

    def __init__(
        self, files: Files, mean: Sequence[float], std: Sequence[float], device: torch.device | str, threads: int = 1
    ) -> None:
        self.files, self.threads, self.device = files, threads, torch.device(device)
        self._mean, self._std = (
            torch.tensor(each, dtype=torch.float32, device=self.device)[:, None, None] for each in (mean, std)
        )
        # A tensor, because CUDA turns division by a number into a product with its inverse, which rounds differently.
        self._white = torch.tensor(255.0, device=self.device)

    def batch(self, index: Tensor) -> Tensor:
        """Plain pictures of `index`, int64 (B,), as `batches` yields them."""
        return next(self.batches([Wanted(index.tolist())]))

    def batches(self, wanted: Iterable[Wanted]) -> Generator[Tensor]:
        """Read batches, some ahead of their use; close the generator to leave early.

        Args:
            wanted: the batches, taken as far ahead as they are read.
        Yields:
            float32 (B, 3, size, size), (value / 255 - mean) / std, channels-last, on the device.
        Raises:
            DataError: a damaged or missing picture; the message names it.
        """
        begun: deque[tuple[Wanted, Tensor, list[Future[None]]]] = deque()
        with ThreadPoolExecutor(self.threads, thread_name_prefix="pictures") as pool:
            try:
                for batch in wanted:
                    begun.append(self._begin(pool, batch))
                    if len(begun) > AHEAD:
                        yield self._finish(*begun.popleft())
                while begun:
                    yield self._finish(*begun.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, pool: ThreadPoolExecutor, wanted: Wanted) -> tuple[Wanted, Tensor, list[Future[None]]]:
        count, size = len(wanted.rows), self.files.size
        # Pinned, so that the copy to a GPU runs beside the training; torch reuses the memory after the copy.
        pixels = torch.empty((count, size, size, 3), dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        starts = range(0, count, CHUNK)
        return wanted, pixels, [pool.submit(self.read_chunk, wanted, pixels, start) for start in starts]

    def read_chunk(self, wanted: Wanted, pixels: Tensor, start: int) -> None:
        """Read `CHUNK` pictures of a batch, from `start` on, into their places in `pixels`, (B, H, W, C), uint8."""
        squares = pixels.numpy()
        for place in range(start, min(start + CHUNK, len(squares))):
            picture = read_picture(self.files.path(wanted.rows[place]), self.files.exif)
            if wanted.box is None:
                square = centre_crop(picture, self.files.size)
            else:
                height, width, _ = picture.shape
                square = resized_crop(picture, random_box(height, width, wanted.box[place]), self.files.size)
            if wanted.flip is not None and wanted.flip[place]:
                # Copying three bytes as one item is twice as fast.
                squares[place].view("V3")[:] = np.ascontiguousarray(square).view("V3")[:, ::-1]
            else:
                squares[place] = square

    def _finish(self, wanted: Wanted, pixels: Tensor, parts: list[Future[None]]) -> Tensor:
        for part in parts:
            part.result()
        images = pixels.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        if wanted.change is not None:
            images = wanted.change(images)
        x = images.float().div_(self._white)
        if wanted.colour is not None:
            x = shift_colours(x, wanted.colour.to(self.device, non_blocking=True))
        return x.sub_(self._mean).div_(self._std)
