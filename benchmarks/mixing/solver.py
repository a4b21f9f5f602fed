"""PuzzleMix's solver compared with the least energy, on saliency maps of a network trained on CIFAR-100."""

import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from dropmix import input_gradient
from dropmix.msda.draw import draw_lam, draw_partner
from dropmix.msda.puzzle import graphcut
from dropmix.msda.puzzle.energy import label_prior, pool_shares, puzzle_energy
from dropmix.nets import build

sys.path.append(str(Path(__file__).parents[2]))  # the exact reference is the tests' own
from tests.msda.puzzle.mincut import solve_by_flow


def solver_table(data: Path, weights: Path | None, seconds: float) -> str:
    """The solver against scipy's maximum flow, on saliency maps of a network trained on CIFAR-100."""
    x, saliency, about = saliency_maps(data, weights, seconds)
    lines = [
        f"512 problems per row; saliency of {about}; power: the map to that power, peaky above 1. Gap: (energy - "
        "least) / least; exact: gap <= 1e-6. GPU form: the fixed number of steps, for where the host may not look.",
        "",
        "| blocks | labels | power | exact | mean gap | largest gap | bounds too high | exact, GPU form | its gap |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for blocks in (2, 4, 8, 16):
        for labels in (2, 3):
            for power in (1.0, 2.5, 4.0):
                lines.append(quality_row(x, saliency, blocks, labels, power))
                print(lines[-1], flush=True)
    return "\n".join(lines)


def quality_row(x: Tensor, saliency: Tensor, blocks: int, labels: int, power: float) -> str:
    """One row of the table: many problems of one kind."""
    generator = torch.Generator().manual_seed(blocks * 10 + labels)
    s = pool_shares(saliency.double().pow(power).float(), blocks)
    partner, lam = draw_partner(len(x), generator), draw_lam(len(x), 1.0, "sample", generator)
    theta, down, right = puzzle_energy(x, s, partner, beta=1.2, gamma=0.5, neighbourhood=4, labels=labels)
    theta = theta + label_prior(lam, labels, 0.2 / blocks**2)
    problem = (theta.double(), down.double(), right.double())
    least = graphcut.energy(solve_by_flow(*problem), *problem)
    found, bound = graphcut.solve(theta, down, right)
    value = graphcut.energy(found, *problem)
    gap = (value - least) / least.abs()
    fixed, _ = graphcut.solve(theta, down, right, steps=graphcut.steps_for(blocks))
    fixed_gap = (graphcut.energy(fixed, *problem) - least) / least.abs()
    exact, exact_fixed = ((g <= 1e-6).double().mean().item() for g in (gap, fixed_gap))
    above = int((bound > torch.minimum(value, least) * (1 + 1e-9)).sum())
    return (
        f"| {blocks} | {labels} | {power:g} | {exact:.1%} | {gap.mean():.1e} | {gap.max():.1e} | {above} | "
        f"{exact_fixed:.1%} | {fixed_gap.max():.1e} |"
    )


def saliency_maps(data: Path, weights: Path | None, seconds: float) -> tuple[Tensor, Tensor, str]:
    """512 CIFAR-100 images in [0, 1], their input gradients, and a line about the network."""
    from dropmix.data import load

    cifar = load("cifar100", data)
    mean, std = (torch.tensor(value).view(1, -1, 1, 1) for value in (cifar.mean, cifar.std))
    net = build("wrn10-1", 100)
    images, labels = torch.from_numpy(cifar.train.images), torch.from_numpy(cifar.train.labels)
    if weights is not None:
        net.load_state_dict(torch.load(weights, weights_only=True))
    else:
        train(net, images, labels, mean, std, seconds)
    test, truth = torch.from_numpy(cifar.test.images[:1000]), torch.from_numpy(cifar.test.labels[:1000])
    with torch.no_grad():
        right = net.eval()((as_float(test) - mean) / std).argmax(1) == truth
    x, y = as_float(images[:512]), labels[:512]
    accuracy = right.double().mean().item()
    return x, input_gradient(net)((x - mean) / std, y), f"a WRN10-1 with {accuracy:.1%} test accuracy (1000 images)"


def as_float(images: Tensor) -> Tensor:
    """uint8 (N, H, W, C) as float (N, C, H, W) in [0, 1]."""
    return images.permute(0, 3, 1, 2).float() / 255


def train(net: torch.nn.Module, images: Tensor, labels: Tensor, mean: Tensor, std: Tensor, seconds: float) -> None:
    """A few CPU minutes of SGD: enough for saliency maps that are not noise."""
    optimiser = torch.optim.SGD(net.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True)
    start = time.thread_time()
    while (done := (time.thread_time() - start) / seconds) < 1:
        optimiser.param_groups[0]["lr"] = 0.15 * min(1, done / 0.1) * (1 - done)
        rows = torch.randint(0, len(images), (100,))
        loss = torch.nn.functional.cross_entropy(net((as_float(images[rows]) - mean) / std), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
