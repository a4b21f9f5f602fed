"""Mixing beside its bounds and its peers, every method beside Mixup, PuzzleMix and Co-Mixup beside their saliency
pass, solver quality, and what DropMix saves.

    python benchmarks/msda.py                                      all but the last
    python benchmarks/msda.py --only peers                         one part; several may be named
    python benchmarks/msda.py --only solver --data DIR             (CIFAR-100; trains a small network without --weights)

One thread. Times are CPU time of this thread, so that other programs disturb them little; what is compared runs in
turns, and medians with the middle half are given. Each part replaces its own section of benchmarks/results/msda.md.
"""

import argparse
import platform
from collections.abc import Callable
from pathlib import Path

import torch
from mixing.learned import learned_table
from mixing.methods import methods_table
from mixing.peers import peers_table
from mixing.puzzlemix import dropmix_cost_table, saliency_table
from mixing.restated import restated_table
from mixing.solver import solver_table
from page import write_section

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the parts that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts: dict[str, tuple[str, Callable[[], str]]] = {
        "peers": ("Speed", peers_table),
        "methods": ("Every method", methods_table),
        "restated": ("Beside OpenMixup's form", restated_table),
        "learned": ("Whole steps with AutoMix", learned_table),
        "saliency": ("PuzzleMix and Co-Mixup beside their saliency pass", saliency_table),
        "dropmix-cost": ("What DropMix saves", lambda: dropmix_cost_table(RESULTS)),
        "solver": ("Solver quality", lambda: solver_table(given.data, given.weights, given.train_seconds)),
    }
    default = ["peers", "methods", "restated", "learned", "saliency", "dropmix-cost"]
    parser.add_argument("--only", nargs="+", choices=[*parts], default=default, help="parts to run")
    parser.add_argument("--data", type=Path, help="folder of CIFAR-100, for solver")
    parser.add_argument("--weights", type=Path, help="a WRN10-1's state_dict, for solver")
    parser.add_argument("--train-seconds", type=float, default=180.0, help="CPU seconds to train one otherwise")
    given = parser.parse_args()
    if "solver" in given.only and given.data is None:
        parser.error("solver: expected --data with a folder of CIFAR-100, got none.")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    RESULTS.mkdir(exist_ok=True)
    for name in given.only:
        title, table = parts[name]
        where = f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread."
        write_section(RESULTS / "msda.md", "# Mixing: speed and quality", title, where, table())


if __name__ == "__main__":
    main()
