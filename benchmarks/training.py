"""A training step compared with the plainest loop, timm's and Lightning's; what mixing adds; how a grid scales.

    python benchmarks/training.py --data DIR                       all parts; DIR holds cifar100/
    python benchmarks/training.py --data DIR --only steps mixing   some of them
    python benchmarks/training.py --data DIR --only grid           wants a machine that does nothing else

Real CIFAR-100, WRN10-1, batch 100, one thread, from uint8 images to updated weights. Each loop runs in a process of its
own and trains some steps in turn; times are CPU time, and a ratio is of two loops in the same turn. Each part replaces
its own section of benchmarks/results/training.md.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded

import argparse
import platform
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from loops.grid import grid_table
from loops.rivals import BATCH, network_alone, ours, plain, timm, with_lightning
from loops.turns import Loop, in_turns, ratio
from page import write_section

from dropmix.data import Dataset, load
from dropmix.train.device import cores, is_slow_in_bf16

RESULTS = Path(__file__).parent / "results" / "training.md"
PRECISIONS = ("fp32", "bf16")
PEERS: dict[str, Callable[[Dataset, str, str], Loop]] = {
    "plainest": plain,
    "timm": timm,
    "timm, channels_last": lambda dataset, method, precision: timm(dataset, method, precision, channels_last=True),
    "Lightning": with_lightning,
}


def precisions() -> tuple[str, ...]:
    """The precisions to measure on this processor."""
    return PRECISIONS[:1] if is_slow_in_bf16(torch.device("cpu")) else PRECISIONS


def steps_table(dataset: Dataset, turns: int, steps: int) -> str:
    """Ours beside the others, method by method."""
    header = ["method", "precision", "ours, images / s", *PEERS, "plainest in fp32"]
    lines = [
        "Time of a step as a multiple of ours (median over turns, middle half). Plainest: DataLoader in the same "
        "process, torchvision's transforms on Pillow images, its MixUp or CutMix, default memory format. timm: loader "
        "with prefetcher and mixing collation, optimiser and losses as in its train.py, with and without "
        "--channels-last. Lightning: Trainer over the plainest loop's loader.",
        "",
        f"| {' | '.join(header)} |",
        "|---" * len(header) + "|",
    ]
    for method in ("vanilla", "mixup", "cutmix"):
        rivals: dict[str, Loop] = {}
        for precision in precisions():
            rivals[f"ours {precision}"] = ours(dataset, method, precision)
            for name, make in PEERS.items():
                try:
                    rivals[f"{name} {precision}"] = make(dataset, method, precision)
                except ImportError as error:
                    print(f"left out: {error}")
        times = in_turns(rivals, turns, steps)
        for precision in precisions():
            own = times[f"ours {precision}"]
            speed = BATCH * steps / statistics.median(own)
            found = [times.get(f"{name} {precision}") for name in PEERS] + [times["plainest fp32"]]
            cells = ["-" if theirs is None else f"{ratio(theirs, own)}" for theirs in found]
            lines.append(f"| {method} | {precision} | {speed:.0f} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


def mixing_table(dataset: Dataset, turns: int, steps: int) -> str:
    """What mixing and DropMix add to a step, and what a step adds to the network alone."""
    arms = {"mixup": 0.0, "mixup r=0.4": 0.4, "cutmix": 0.0, "cutmix r=0.4": 0.4}
    header = ["precision", "network alone", *arms]
    lines = [
        "Time of our step as a multiple of our vanilla step's (median over turns, middle half). Network alone: "
        "forward and backward on a batch in memory.",
        "",
        f"| {' | '.join(header)} |",
        "|---" * len(header) + "|",
    ]
    for precision in precisions():
        rivals = {"vanilla": ours(dataset, "vanilla", precision), "network alone": network_alone(dataset, precision)}
        rivals |= {arm: ours(dataset, arm.split()[0], precision, rate) for arm, rate in arms.items()}
        times = in_turns(rivals, 2 * turns, steps)
        cells = [f"{ratio(times[name], times['vanilla']):.3f}" for name in header[1:]]
        lines.append(f"| {precision} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def processor() -> str:
    """The processor's name and instruction set."""
    names = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    found = [line.split(": ")[1] for line in names if line.startswith("model name")]
    return f"{found[0] if found else platform.machine()} ({torch.backends.cpu.get_cpu_capability()})"


def main() -> None:
    """Run the parts that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts: dict[str, tuple[str, Callable[[], str]]] = {
        "steps": ("A step beside others'", lambda: steps_table(images(), given.turns, given.steps)),
        "mixing": ("What mixing adds", lambda: mixing_table(images(), given.turns, given.steps)),
        "grid": (
            "A grid's workers",
            lambda: grid_table(given.data / "cifar100", cores(), given.seconds, 3, precisions()[-1]),
        ),
    }
    parser.add_argument("--data", type=Path, default=os.environ.get("DROPMIX_DATA"), help="folder with cifar100/")
    parser.add_argument("--only", nargs="+", choices=[*parts], default=[*parts], help="parts to run")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--steps", type=int, default=4, help="of each loop in a turn")
    parser.add_argument("--seconds", type=float, default=30, help="of training that a grid is watched for")
    given = parser.parse_args()
    if given.data is None:
        parser.error("expected --data with a folder that holds cifar100/, got none. DROPMIX_DATA may name it too.")

    def images() -> Dataset:
        return load("cifar100", given.data / "cifar100")

    torch.set_num_threads(1)
    for name in given.only:
        title, table = parts[name]
        where = f"{processor()}, torch {torch.__version__}."
        write_section(RESULTS, "# Training on a CPU", title, where, table())


if __name__ == "__main__":
    main()
