"""The batches of a run on texts."""

from collections.abc import Generator, Iterator, Sequence

import torch
from torch import Tensor

from dropmix.data.records import Texts
from dropmix.train.plan import order_by

BATCH = 500
"""Number of texts predicted at a time."""


class TokenSource:
    """Token ids (B, 1, 1, L) of one split; see `dropmix.train.source.BatchSource`. L is the longest text of the batch.

    Texts are images of height 1, so that spans of tokens are boxes.
    """

    streamed = False

    def __init__(self, split: Texts, device: torch.device, balance: str = "none") -> None:
        self.balance = balance
        self.tokens = torch.from_numpy(split.tokens).to(device)
        self.lengths = torch.from_numpy((split.tokens > 0).sum(1))
        self.labels = torch.from_numpy(split.labels).to(device)

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self, seed: int, epoch: int, slices: Sequence[slice], start: int = 0
    ) -> Generator[tuple[Tensor, Tensor]]:
        order = order_by(self.balance, seed, epoch, self.labels)
        for place in slices[start:]:
            x, index = self._batch(order[place])
            yield x, self.labels[index]

    def plain(self, first: int = 0, every: int = 1) -> Iterator[tuple[slice, Tensor]]:
        starts = range(0, len(self), BATCH)[first::every]
        for rows in (slice(start, min(start + BATCH, len(self))) for start in starts):
            yield rows, self._batch(torch.arange(rows.start, rows.stop))[0]

    def _batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        longest, index = int(self.lengths[index].max()), index.to(self.tokens.device)
        return self.tokens[index, :longest].long()[:, None, None], index
