"""A plain loop that mixes by hand, which every host has to equal."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from dropmix import DropMix, Mix


def make_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 4)
    )


def cutmix(**options: Any) -> DropMix:
    return DropMix("cutmix", rate=0.4, num_classes=4, seed=0, **options)


RATE = 1.0  # large, so that mixed and unmixed steps lead far apart
X, Y = torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(1)), torch.arange(16) % 4


def weights_of(net: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def by_hand(size: int = 8, accumulated: int = 1, unmixed: bool = False) -> Tensor:
    """Two epochs of a plain loop that pastes each box and shares each label itself."""
    net, augment = make_net(), cutmix()
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
    for step in range(2 * len(X) // size):
        rows = slice(step % (len(X) // size) * size, (step % (len(X) // size) + 1) * size)
        x, y = X[rows].clone(), F.one_hot(Y[rows], 4).float()
        mix = Mix.identity(size) if unmixed else augment.draw(X[rows], Y[rows], step=step)
        if mix.box is not None:
            y0, y1, x0, x1 = mix.box[0].tolist()
            x[:, :, y0:y1, x0:x1] = X[rows][mix.partner][:, :, y0:y1, x0:x1]
            share = 1 - (y1 - y0) * (x1 - x0) / 256
            y = share * y + (1 - share) * y[mix.partner]
        if step % accumulated == 0:
            optimizer.zero_grad()
        (-(y * net(x).log_softmax(1)).sum(1).mean() / accumulated).backward()
        if (step + 1) % accumulated == 0:
            optimizer.step()
    return weights_of(net)


def batches(size: int = 8) -> DataLoader:
    return DataLoader(TensorDataset(X, Y), size)
