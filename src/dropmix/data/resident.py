"""A whole split on the device as uint8: flip, crop and normalise a batch in one gather."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dropmix.data.records import Split


class Resident:
    """Batches of one split, bit-equal to Pillow's pipeline at the same parameters.

        RandomHorizontalFlip -> RandomCrop(padding=padding) -> ToTensor -> Normalize

    Every picture is kept zero-padded and, with `flip`, a second time mirrored; a batch is then one gather of windows.
    Nothing is drawn here: the caller draws `top`, `left` and `flip`.

    Args:
        split: N pictures, uint8 (N, H, W, C).
        mean, std: per channel, fractions of 255; std > 0.
        device: of the stored pictures and the batches.
        padding: pixels of zeros on each side that crops may include, >= 0.
        flip: keep mirrored copies too, so that `batch` takes `flip`; doubles the memory.
        channels_last: memory format of the batches.
    Attributes:
        labels: int64 (N,) on the device.
        nbytes: size of the store in bytes.
    Raises:
        ValueError: padding < 0, or mean and std of another length than C.
    Example:
        >>> import numpy as np
        >>> split = Split(np.full((4, 8, 8, 1), 255, np.uint8), np.arange(4), np.arange(4))
        >>> resident = Resident(split, (0.5,), (0.5,), padding=1, flip=True)
        >>> x = resident.batch(torch.tensor([0, 3]), top=torch.tensor([0, 1]), left=torch.tensor([1, 1]))
        >>> x.shape, x[0, 0, 0, 0].item(), x[1, 0, 0, 0].item()
        (torch.Size([2, 1, 8, 8]), -1.0, 1.0)
    """

    def __init__(
        self,
        split: Split,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device | str = "cpu",
        padding: int = 0,
        flip: bool = False,
        channels_last: bool = True,
    ) -> None:
        count, height, width, channels = split.images.shape
        if padding < 0:
            raise ValueError(f"Resident: expected padding of at least 0, got {padding}. Use 0 for no crop.")
        if not len(mean) == len(std) == channels:
            raise ValueError(
                f"Resident: expected mean and std of {channels} channels, got {len(mean)} and {len(std)}. "
                "Give those of the data set."
            )
        self.count, self.shape = count, (channels, height, width)
        self.padding, self.flip, self.channels_last = padding, flip, channels_last
        self.device = torch.device(device)
        self.labels = torch.from_numpy(split.labels).to(self.device)
        self._store = _pad(torch.from_numpy(split.images).to(self.device), padding, flip)
        self._windows = _windows(self._store, height, width)
        # One row of pixels with all its channels: operands as long as a row keep the loops vectorised.
        self._mean = torch.tensor(mean, dtype=torch.float32, device=self.device).repeat(width)
        self._std = torch.tensor(std, dtype=torch.float32, device=self.device).repeat(width)
        # A tensor, because CUDA turns division by a number into a product with its inverse, which rounds differently.
        self._white = torch.tensor(255.0, device=self.device)

    def __len__(self) -> int:
        return self.count

    @property
    def nbytes(self) -> int:
        return self._store.nbytes

    def batch(
        self,
        index: Tensor,
        top: Tensor | None = None,
        left: Tensor | None = None,
        flip: Tensor | None = None,
        change: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Pictures of `index`, mirrored, cropped and normalised; without draws, the plain pictures.

        Args:
            index: int64 (B,), in [0, N).
            top, left: int64 (B,), corner of the crop in the padded picture, in [0, 2 * padding];
                None for the centre.
            flip: bool (B,), whether to mirror before cropping; None mirrors none.
            change: function of the cropped pixels, uint8 (B, C, H, W), that returns others of that shape; or None.
        Returns:
            float32 (B, C, H, W), (value / 255 - mean) / std.
        Raises:
            ValueError: flip without mirrored copies; on the CPU also a draw out of range
                (elsewhere checking would wait for the device).
        """
        index = index.to(self.device, non_blocking=True)
        top, left = (
            torch.full_like(index, self.padding) if corner is None else corner.to(self.device, non_blocking=True)
            for corner in (top, left)
        )
        if self.device.type == "cpu":
            _check("index", index, self.count - 1)
            _check("top", top, 2 * self.padding)
            _check("left", left, 2 * self.padding)
        if flip is not None:
            if not self.flip:
                raise ValueError(
                    "Resident: expected no flip without mirrored copies, got flip. Make the Resident with flip=True."
                )
            index = index + flip.to(self.device, torch.int64, non_blocking=True) * self.count
        channels, height, width = self.shape
        rows = self._windows[index, top, left]
        if change is not None:
            pixels = change(rows.view(-1, height, width, channels).permute(0, 3, 1, 2))
            rows = pixels.permute(0, 2, 3, 1).reshape(rows.shape)
        rows = rows.float().div_(self._white).sub_(self._mean).div_(self._std)
        x = rows.view(-1, height, width, channels).permute(0, 3, 1, 2)
        return x if self.channels_last else x.contiguous()


def _pad(images: Tensor, padding: int, flip: bool) -> Tensor:
    """Zero-padded pictures followed by the mirrored ones: uint8 (N or 2N, H + 2p, W + 2p, C)."""
    if not padding and not flip:
        return images
    count, height, width, channels = images.shape
    shape = (count * (2 if flip else 1), height + 2 * padding, width + 2 * padding, channels)
    store = torch.zeros(shape, dtype=torch.uint8, device=images.device)
    inner = store[:, padding : padding + height, padding : padding + width]
    inner[:count] = images
    if flip:
        inner[count:] = images.flip(2)
    return store


def _windows(store: Tensor, height: int, width: int) -> Tensor:
    """View of all crops: uint8 (stored pictures, tops, lefts, H, W * C), without a copy."""
    count, tall, wide, channels = store.shape
    picture, row, column, _ = store.stride()
    size = (count, tall - height + 1, wide - width + 1, height, width * channels)
    return store.as_strided(size, (picture, row, column, row, 1))


def _check(name: str, drawn: Tensor, high: int) -> None:
    """Raise ValueError if a draw is outside [0, high]; torch would read -1 as the last one."""
    if drawn.numel() and not (int(drawn.min()) >= 0 and int(drawn.max()) <= high):
        raise ValueError(
            f"Resident: expected {name} in [0, {high}], got {int(drawn.min())} to {int(drawn.max())}. "
            "Draw inside the padded picture."
        )
