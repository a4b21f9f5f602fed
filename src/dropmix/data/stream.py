"""Batches of pictures that stay in their files, read and cropped by threads ahead of their use."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dropmix.data.colour import shift_colours
from dropmix.data.picture import centre_crop, random_box, read_picture, resized_crop
from dropmix.data.records import Files

AHEAD = 2
"""Batches that are read while one is trained on."""
CHUNK = 4
"""Pictures that a thread takes at a time."""


@dataclass(frozen=True)
class Wanted:
    """One batch: which pictures, and what was drawn for each.

    Args:
        rows: row numbers, length B.
        box: B lists of draws for `random_box`, or None for the centre.
        flip: bool (B,), mirror after cropping; None for nowhere.
        colour: float (B, 6) for `shift_colours`, or None for true colours.
        change: from pixels, uint8 (B, 3, size, size), to others of that shape, before colours; None changes nothing.
    """

    rows: Sequence[int]
    box: Sequence[Sequence[float]] | None = None
    flip: Sequence[bool] | None = None
    colour: Tensor | None = None
    change: Callable[[Tensor], Tensor] | None = None


class Stream:
    """Squares cut from the pictures of one split, normalised, on a device.

        RandomResizedCrop -> RandomHorizontalFlip -> colours -> Normalize, or Resize -> CenterCrop -> Normalize

    Nothing is drawn here, and what comes out does not depend on the number of threads. Threads and not processes: the
    decoders and torch's resizing release the GIL, and there is no shared memory, lock or CUDA context to inherit.

    Args:
        files: N pictures.
        mean, std: per channel, fractions of 255; std > 0.
        device: where batches are made.
        threads: that read pictures, >= 1.
    """

    def __init__(
        self, files: Files, mean: Sequence[float], std: Sequence[float], device: torch.device | str, threads: int = 1
    ) -> None:
        self.files, self.threads, self.device = files, threads, torch.device(device)
        self._mean, self._std = (
            torch.tensor(each, dtype=torch.float32, device=self.device)[:, None, None] for each in (mean, std)
        )
        # A tensor, since CUDA turns division by a number into a product with its inverse, which rounds differently.
        self._white = torch.tensor(255.0, device=self.device)

    def batch(self, index: Tensor) -> Tensor:
        """Plain pictures of `index`, int64 (B,), as `batches` yields them."""
        return next(self.batches([Wanted(index.tolist())]))

    def batches(self, wanted: Iterable[Wanted]) -> Generator[Tensor]:
        """Read batches, some of them ahead; close the generator to leave early.

        Args:
            wanted: what each batch holds; asked for as far ahead as is read.
        Yields:
            float32 (B, 3, size, size), (value / 255 - mean) / std, channels-last, on the device.
        Raises:
            DataError: a picture is damaged or gone; the message names it.
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
        # Pinned, so that the copy to a GPU runs beside the training; torch reuses it once the copy is over.
        pixels = torch.empty((count, size, size, 3), dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        starts = range(0, count, CHUNK)
        return wanted, pixels, [pool.submit(self._read, wanted, pixels, start) for start in starts]

    def _read(self, wanted: Wanted, pixels: Tensor, start: int) -> None:
        squares = pixels.numpy()
        for place in range(start, min(start + CHUNK, len(squares))):
            picture = read_picture(self.files.path(wanted.rows[place]), self.files.exif)
            if wanted.box is None:
                square = centre_crop(picture, self.files.size)
            else:
                height, width, _ = picture.shape
                square = resized_crop(picture, random_box(height, width, wanted.box[place]), self.files.size)
            if wanted.flip is not None and wanted.flip[place]:
                # Three bytes as one item: twice as fast as three items.
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
