"""Mixing beside its bounds and its peers, PuzzleMix beside its saliency pass, solver quality, and what DropMix saves.

    python benchmarks/msda.py speed puzzlemix dropmix
    python benchmarks/msda.py quality --data DIR      (CIFAR-100; trains a small network unless --weights has one)

One thread. Times are CPU time of this thread, so that other programs disturb them little; what is compared runs in
turns, and medians with the middle half are given. Each section replaces its own part of benchmarks/results/msda.md.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dropmix import DropMix, Mix, input_gradient
from dropmix.msda import graphcut
from dropmix.msda.draw import draw_lam, draw_partner
from dropmix.msda.mincut import solve_by_flow
from dropmix.msda.mix import mix_images
from dropmix.msda.puzzle_energy import label_prior, pool_shares, puzzle_energy
from dropmix.msda.puzzlemix import puzzlemix
from dropmix.nets import build

RESULTS = Path(__file__).parent / "results"
SIZES = ((128, 32), (64, 224))
Timed = dict[str, tuple[float, float, float]]


def in_turns(rivals: dict[str, Callable[[], object]], seconds: float = 4.0) -> Timed:
    """Lower quartile, median and upper quartile of the CPU seconds of each, taken in turns."""
    for run in rivals.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in rivals}
    start = time.thread_time()
    while time.thread_time() - start < seconds or len(next(iter(times.values()))) < 5:
        for name, run in rivals.items():
            begin = time.thread_time()
            run()
            times[name].append(time.thread_time() - begin)
    return {name: tuple(statistics.quantiles(taken, n=4)) for name, taken in times.items()}  # pyright: ignore[reportReturnType]


def cell(timed: Timed, name: str, bound: float) -> str:
    """A time as a multiple of the bound, with its quartiles; a dash where there is no such rival."""
    if name not in timed:
        return "-"
    low, middle, high = (value / bound for value in timed[name])
    return f"{middle:.2f} ({low:.2f} - {high:.2f})"


def speed() -> str:
    """Images alone against the bound, and whole calls with labels against peers."""
    lines = [
        "Multiples of the bound (median, middle half). Bound: for Mixup `index_select` + `lerp` into given memory; for "
        "a box a batch a copy of the batch and of the boxes; for a box a sample the faster of a ready mask's `where`, "
        "or a loop of box copies. `out=`: images alone into given memory. Whole: drawing, images, labels, new memory "
        "(timm writes into its input: the column beside it does the like).",
        "",
        "| operation | size | bound ms | `out=` | whole | whole, `out=` | timm | torchvision | kornia |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for batch, side in SIZES:
        x, y = torch.randn(batch, 3, side, side), torch.randint(0, 100, (batch,))
        for method in ("mixup", "cutmix"):
            for per in ("batch", "sample"):
                rivals = bounds(x, method, per) | ours(x, y, method, per) | peers(x, y, method, per)
                timed = in_turns(rivals)
                bound = min(timed[name][1] for name in timed if name.startswith("bound"))
                row = [
                    cell(timed, name, bound)
                    for name in ("out=", "whole", "whole, out=", "timm", "torchvision", "kornia")
                ]
                lines.append(
                    f"| {method}, per {per} | {batch} x 3 x {side} x {side} | {bound * 1e3:.3g} | {' | '.join(row)} |"
                )
                print(lines[-1], flush=True)
    return "\n".join(lines)


def middle_box(x: Tensor, per: str) -> Tensor:
    """Boxes of the mean area of CutMix, a quarter to a half of the image."""
    side = x.shape[-1]
    box = torch.tensor([[side // 8, 6 * side // 8, side // 4, 7 * side // 8]])
    return box if per == "batch" else box.repeat(len(x), 1)


def bounds(x: Tensor, method: str, per: str) -> dict[str, Callable[[], object]]:
    """The least that has to be moved."""
    out, part, partner = torch.empty_like(x), torch.empty_like(x), torch.randperm(len(x))
    y0, y1, x0, x1 = middle_box(x, per)[0].tolist()
    if method == "mixup":
        lam = torch.full((1,), 0.3) if per == "batch" else torch.rand(len(x), 1, 1, 1)

        def blend() -> None:
            torch.index_select(x, 0, partner, out=out)
            out.lerp_(x, lam)

        return {"bound": blend}
    boxes, into = x[:, :, y0:y1, x0:x1], out[:, :, y0:y1, x0:x1]
    if per == "batch":

        def copy() -> None:
            out.copy_(x)
            into.copy_(boxes)

        return {"bound": copy}
    inside = torch.zeros(len(x), 1, *x.shape[2:], dtype=torch.bool)
    inside[:, :, y0:y1, x0:x1] = True
    pairs = list(enumerate(partner.tolist()))

    def where() -> None:
        torch.index_select(x, 0, partner, out=part)
        torch.where(inside, part, x, out=out)

    def loop() -> None:
        out.copy_(x)
        for i, j in pairs:
            into[i].copy_(boxes[j])

    return {"bound where": where, "bound loop": loop}


def ours(x: Tensor, y: Tensor, method: str, per: str) -> dict[str, Callable[[], object]]:
    """This package: images into given memory, and the whole call."""
    out, partner = torch.empty_like(x), torch.randperm(len(x))
    lam = torch.full((1,), 0.3) if per == "batch" else torch.rand(len(x))
    if method == "mixup":
        mix = Mix(partner, lam.expand(len(x)), mask=lam.view(-1, 1, 1, 1))
    else:
        mix = Mix(partner, lam.expand(len(x)), box=middle_box(x, per))
    augment = DropMix(method, num_classes=100, per=per)  # pyright: ignore[reportArgumentType]
    return {
        "out=": lambda: mix_images(x, mix, out=out),
        "whole": lambda: augment(x, y),
        "whole, out=": lambda: augment(x, y, out=out),
    }


def peers(x: Tensor, y: Tensor, method: str, per: str) -> dict[str, Callable[[], object]]:
    """What is installed of timm, torchvision and kornia."""
    found: dict[str, Callable[[], object]] = {}
    try:
        from timm.data.mixup import Mixup

        alphas: dict[str, Any] = {"mixup_alpha": float(method == "mixup"), "cutmix_alpha": float(method == "cutmix")}
        mode = "batch" if per == "batch" else "elem"
        timm = Mixup(**alphas, mode=mode, label_smoothing=0.0, num_classes=100)
        scratch = x.clone()  # timm writes into its input
        found["timm"] = lambda: timm(scratch, y)
    except ImportError:
        pass
    if per == "batch":
        from torchvision.transforms import v2

        kind = v2.MixUp if method == "mixup" else v2.CutMix
        torchvision = kind(num_classes=100)
        found["torchvision"] = lambda: torchvision(x, y)
    try:
        from kornia.augmentation import RandomCutMixV2, RandomMixUpV2

        kind = RandomMixUpV2 if method == "mixup" else RandomCutMixV2
        kornia = kind(p=1.0, same_on_batch=per == "batch", data_keys=["input", "class"])
        found["kornia"] = lambda: kornia(x, y)
    except ImportError:
        pass
    return found


def puzzle() -> str:
    """PuzzleMix's own work against the saliency pass it needs."""
    lines = [
        "CPU milliseconds a batch of 128 x 3 x 32 x 32, three labels (median); torch alone, no compiled extension.",
        "",
        "| block count | energy, mask and transport | of WRN28-2's saliency pass | of WRN10-1's |",
        "|---|---|---|---|",
    ]
    x, y = smooth_images(128), torch.randint(0, 100, (128,))
    passes = {}
    for name in ("wrn28-2", "wrn10-1"):
        saliency = input_gradient(build(name, 100))
        passes[name] = in_turns({name: lambda saliency=saliency: saliency(x, y)})[name][1]
    s = input_gradient(build("wrn10-1", 100))(x, y)
    shares = []
    for blocks in (2, 4, 8, 16):
        rivals: dict[str, Any] = {"mix": lambda blocks=blocks: puzzlemix(x, s, block_counts=[blocks])}
        taken = in_turns(rivals, 3.0)["mix"][1]
        shares.append([taken, *(taken / passes[name] for name in passes)])
        lines.append(f"| {blocks} | {taken * 1e3:.0f} | {shares[-1][1]:.1%} | {shares[-1][2]:.1%} |")
        print(lines[-1], flush=True)
    mean = [sum(column) / 4 for column in zip(*shares)]
    lines.append(f"| mean | {mean[0] * 1e3:.0f} | {mean[1]:.1%} | {mean[2]:.1%} |")
    lines += [
        "",
        "Saliency passes: " + ", ".join(f"{name} {value * 1e3:.0f} ms" for name, value in passes.items()) + ".",
    ]
    return "\n".join(lines)


def smooth_images(n: int) -> Tensor:
    """Images with large shapes and a little noise, in [0, 1]."""
    coarse = torch.rand(n, 3, 8, 8)
    return 0.9 * torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear") + 0.1 * torch.rand(
        n, 3, 32, 32
    )


def drop() -> str:
    """What a PuzzleMix step costs against the rate."""
    from matplotlib.figure import Figure

    net = build("wrn10-1", 100)
    x, y = smooth_images(32), torch.randint(0, 100, (32,))

    def step(augment: DropMix) -> None:
        mixed, shares = augment(x, y, saliency=input_gradient(net))
        torch.nn.functional.cross_entropy(net(mixed), shares).backward()
        net.zero_grad()

    rates, units = (0.0, 0.25, 0.5, 0.75, 1.0), ("batch", "sample", "count")
    lines = [
        "Mean CPU time of a training step of WRN10-1, batch 32, with PuzzleMix, as a multiple of a plain step's.",
        "",
    ]
    lines += [f"| unit | {' | '.join(f'rate {rate:g}' for rate in rates)} |", "|---" * (len(rates) + 1) + "|"]
    totals = {(unit, rate): [] for unit in units for rate in rates}
    augments = {key: DropMix("puzzlemix", key[1], num_classes=100, unit=key[0]) for key in totals}  # pyright: ignore[reportArgumentType]
    for _ in range(24):
        for key, augment in augments.items():
            begin = time.thread_time()
            step(augment)
            totals[key].append(time.thread_time() - begin)
    plain = statistics.mean(value for unit in units for value in totals[unit, 1.0])
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axis = figure.subplots()
    for unit in units:
        means = [statistics.mean(totals[unit, rate]) / plain for rate in rates]
        errors = [statistics.stdev(totals[unit, rate]) / 24**0.5 / plain for rate in rates]
        lines.append(f"| {unit} | " + " | ".join(f"{m:.2f} ± {e:.2f}" for m, e in zip(means, errors)) + " |")
        axis.errorbar(rates, means, errors, marker="o", capsize=3, label=f"unit {unit}")
    axis.set(xlabel="rate", ylabel="time of a step / plain step", ylim=(0, None))
    axis.legend()
    figure.savefig(RESULTS / "msda-dropmix.png", dpi=100)
    lines += ["", "±: standard error of 24 steps. ![cost against rate](msda-dropmix.png)"]
    return "\n".join(lines)


def quality(data: Path, weights: Path | None, seconds: float) -> str:
    """The solver against scipy's maximum flow, on saliency maps of a network trained on CIFAR-100."""
    x, saliency, about = saliency_maps(data, weights, seconds)
    lines = [
        f"512 problems a row; saliency of {about}; power: the map to that power, peaky above 1. Gap: (energy - "
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
    d, capacity = graphcut._cut_problem(theta, down, right)
    flow = graphcut._ascend(graphcut._start(d, capacity), graphcut._steps(blocks)).y
    fixed = graphcut._sweep((graphcut._reduced_costs(d, flow) < 0).sum(0).movedim(-1, 0), theta, down, right)
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


def write(title: str, body: str) -> None:
    """Replace one section of the results."""
    path = RESULTS / "msda.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else "# Mixing: speed and quality\n"
    head, *sections = text.rstrip().split("\n## ")
    kept = [section for section in sections if not section.startswith(title + "\n")]
    where = f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread."
    kept.append(f"{title}\n\n{where}\n\n{body}")
    path.write_text("\n\n## ".join(part.rstrip() for part in [head, *sorted(kept)]) + "\n", encoding="utf-8")


def main() -> None:
    """Run the sections that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", default=["speed", "puzzlemix", "dropmix"])
    parser.add_argument("--data", type=Path, help="folder of CIFAR-100, for quality")
    parser.add_argument("--weights", type=Path, help="a WRN10-1's state_dict, for quality")
    parser.add_argument("--train-seconds", type=float, default=180.0, help="CPU seconds to train one otherwise")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    RESULTS.mkdir(exist_ok=True)
    sections: dict[str, tuple[str, Callable[[], str]]] = {
        "speed": ("Speed", speed),
        "puzzlemix": ("PuzzleMix beside its saliency pass", puzzle),
        "dropmix": ("What DropMix saves", drop),
        "quality": ("Solver quality", lambda: quality(given.data, given.weights, given.train_seconds)),
    }
    for name in given.sections:
        if name not in sections:
            parser.error(f"section: expected one of {', '.join(sections)}, got {name!r}.")
        if name == "quality" and given.data is None:
            parser.error("quality: expected --data with a folder of CIFAR-100, got none.")
        write(sections[name][0], sections[name][1]())


if __name__ == "__main__":
    main()
