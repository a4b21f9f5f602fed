"""What choosing the DropMix rate costs: optimism, regret and runs of several protocols, simulated.

    python benchmarks/selection.py --studies 200 > benchmarks/results/selection.md

The world is CIFAR-100's: 100 classes of 100 test images, or of 50 images if a tenth of train is held out. At rate r,
class m's recall truly changes by

    theta_m(r) = a (1 - r) + b r (1 - r) + s (1 - r) h_m,      h_m of Student's t with 3 degrees of freedom, sd 1

with a, b and s per setting, so that rate 1 is vanilla. A test or validation set favours or disfavours mixing by chance
(an example effect, shared by all rates and scaled with 1 - r), and every seed adds noise to every class.
"""

import argparse
import platform
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dropmix.audit.inference.infer import infer
from dropmix.audit.rate_choice import ROUNDS, Candidate, choose, halve
from dropmix.audit.settings import Settings

M, MARGIN, VANILLA = 100, 0.005, 0.77
RATES = np.linspace(0, 1, 11)
FLIP = 0.065  # half of the 13 % of images on which two seeds disagree
RATIO = 1.3  # sd of a class's recall over seeds, as a multiple of the sd that independent flips would give
TASTE = 0.01  # share of images on which two arms disagree, beyond the share of two seeds
# name -> a, b, s: gains as in Table 1 of the paper, in points, and the sd of class effects at rate 0
SETTINGS = {
    "Mixup, WRN28-2": (0.84, 4.7, 3.0),
    "Mixup, PreActResNet-18": (1.32, 2.3, 2.0),
    "CutMix, PreActResNet-18": (2.52, 4.3, 1.8),
    "PuzzleMix, PreActResNet-50": (4.03, 2.0, 1.5),
}
TEST, VALIDATION = 100, 50  # images of a class


@dataclass
class Study:
    """One simulated study: true changes, and a tap of noisy runs.

    Args:
        theta: true change on new examples, (rates, M), fractions.
        rng: the study's own.
    """

    theta: np.ndarray
    rng: np.random.Generator

    def images(self, n: int) -> np.ndarray:
        """True changes on one set of n images a class, (rates, M)."""
        taste = np.sqrt(TASTE / n) * self.rng.standard_normal(M)
        return self.theta + (1 - RATES)[:, None] * taste

    def runs(self, truth: np.ndarray, n: int, seeds: int) -> np.ndarray:
        """Class recalls of a number of seeds at every rate, relative to vanilla's true ones, (rates, seeds, M)."""
        noise = np.sqrt(FLIP * RATIO / n) * self.rng.standard_normal((len(truth), seeds, M))
        return truth[:, None] + noise


def candidate(rate: int, recalls: np.ndarray, n: int) -> Candidate:
    """What the audit says of a rate against vanilla, the last rate."""
    vanilla, treated = recalls[-1], recalls[rate]
    seeds = len(treated)
    accuracy = VANILLA + treated.mean(axis=1)
    if rate == len(RATES) - 1:
        return Candidate("vanilla", 1.0, accuracy, 0.0)
    change = treated.mean(axis=0) - vanilla.mean(axis=0)
    variance = np.full(M, 2 * FLIP * RATIO / (n * seeds))
    sizes = np.full(M, n)
    found = infer(change, variance, sizes, (seeds, seeds), M * 2 * (seeds - 1), Settings(margin=MARGIN, refits=0))
    return Candidate(f"r={RATES[rate]:g}", float(RATES[rate]), accuracy, found.number)


def near_best(recalls: dict[int, np.ndarray]) -> list[int]:
    """Rates within one standard error of the best: only these need an audit."""
    mean = {rate: runs.mean() for rate, runs in recalls.items()}
    best = max(mean, key=lambda rate: mean[rate])
    own = recalls[best].mean(axis=1)
    error = own.std(ddof=1) / np.sqrt(len(own))
    return [rate for rate in recalls if mean[rate] >= mean[best] - error - 1e-12]


def pick_best(recalls: dict[int, np.ndarray], n: int) -> int:
    """The most accurate."""
    return max(recalls, key=lambda rate: recalls[rate].mean())


def pick_careful(recalls: dict[int, np.ndarray], n: int) -> int:
    """The default of `dropmix select`, by its own code."""
    full = np.full((len(RATES), *recalls[len(RATES) - 1].shape), np.nan)
    for rate, runs in recalls.items():
        full[rate] = runs
    near = near_best(recalls)
    chosen = choose([candidate(rate, full, n) for rate in near]).chosen
    return int(np.abs(RATES - chosen.rate).argmin())


Pick = Callable[[dict[int, np.ndarray], int], int]
LAST = len(RATES) - 1


def everything(study: Study, n: int, pick: Pick) -> tuple[int, int, np.ndarray, np.ndarray]:
    """Five seeds of every rate. Returns the choice, the runs, all recalls, and the truth on these images."""
    truth = study.images(n)
    recalls = study.runs(truth, n, 5)
    return pick(dict(enumerate(recalls)), n), len(RATES) * 5, recalls, truth


def halving(rounds: tuple[tuple[int, int], ...]) -> Callable:
    """One seed of every rate, then successive halving."""

    def run(study: Study, n: int, pick: Pick) -> tuple[int, int, np.ndarray, np.ndarray]:
        truth = study.images(n)
        recalls = study.runs(truth, n, 5)
        seeds = dict.fromkeys(range(len(RATES)), 1)
        while True:
            so_far = [Candidate(str(r), float(RATES[r]), recalls[r, :s].mean(axis=1), 0.0) for r, s in seeds.items()]
            due = halve(so_far, rounds)
            left = [int(c.arm) for c in due.left]
            if due.trained:
                return pick({rate: recalls[rate] for rate in left}, n), sum(seeds.values()), recalls, truth
            seeds |= dict.fromkeys(left, due.seeds)

    return run


PROTOCOLS: dict[str, tuple[Callable, int, Pick]] = {
    "test set, best accuracy (the paper's)": (everything, TEST, pick_best),
    "validation, best accuracy": (everything, VALIDATION, pick_best),
    "validation, one standard error (default)": (everything, VALIDATION, pick_careful),
    "default, halving 11 x 1, 4 x 3, 2 x 5 seeds": (halving(ROUNDS), VALIDATION, pick_careful),
    "default, halving 11 x 1, 3 x 5 seeds": (halving(((3, 5),)), VALIDATION, pick_careful),
}


def one_study(setting: str, rep: int) -> dict[str, dict[str, float]]:
    """Score every protocol on one truth."""
    a, b, s = (value / 100 for value in SETTINGS[setting])
    rng = np.random.default_rng([list(SETTINGS).index(setting), rep])
    own = rng.standard_t(3, M) / np.sqrt(3)
    gain = a * (1 - RATES) + b * RATES * (1 - RATES)
    theta = gain[:, None] + s * (1 - RATES)[:, None] * (own - own.mean())
    true_accuracy, degraded = theta.mean(axis=1), (theta < -MARGIN).sum(axis=1)
    out = {}
    for index, (name, (protocol, n, pick)) in enumerate(PROTOCOLS.items()):
        study = Study(theta, np.random.default_rng([list(SETTINGS).index(setting), rep, index]))
        chosen, runs, recalls, truth = protocol(study, n, pick)
        again = study.runs(truth, n, 5)
        out[name] = {
            "optimism": 100 * (recalls[chosen].mean() - truth[chosen].mean()),
            "flattery": float(looks_worse(again, chosen) - looks_worse(recalls, chosen)),
            "regret": 100 * (true_accuracy.max() - true_accuracy[chosen]),
            "degraded": float(degraded[chosen]),
            "rate": float(RATES[chosen]),
            "runs": float(runs),
        }
    return out


def looks_worse(recalls: np.ndarray, rate: int) -> int:
    """The paper's N_DC."""
    return int((recalls[rate].mean(axis=0) < recalls[-1].mean(axis=0)).sum()) if rate != LAST else 0


def report(studies: int) -> None:
    """Print the tables."""
    print("# Choosing the rate: optimism, regret and cost\n")
    print(f"`python benchmarks/selection.py --studies {studies}`; {studies} simulated studies per setting, 11 rates,")
    print(f"numpy {np.__version__}, {platform.machine()}. Mean (standard error over studies).\n")
    print("- *optimism*: observed minus true accuracy of the chosen rate on the same images, points")
    print("- *flattery*: degraded classes (by any amount) that new seeds show minus those seen")
    print("- *regret*: true accuracy of the best rate minus that of the chosen one, points")
    print("- *degraded*: classes that truly lose more than half a point at the chosen rate")
    print("- *runs*: trained for the choice, vanilla included\n")
    for setting, (a, b, s) in SETTINGS.items():
        rows = defaultdict(lambda: defaultdict(list))
        for rep in range(studies):
            for protocol, scores in one_study(setting, rep).items():
                for key, value in scores.items():
                    rows[protocol][key].append(value)
        print(f"## {setting}: a = {a}, b = {b}, s = {s} points\n")
        print("| protocol | optimism | flattery | regret | degraded | mean rate | runs |")
        print("|---|---|---|---|---|---|---|")
        for protocol, scores in rows.items():
            cells = [_cell(scores[key], 2) for key in ("optimism", "flattery", "regret")]
            cells += [_cell(scores["degraded"], 1), f"{np.mean(scores['rate']):.2f}", f"{np.mean(scores['runs']):.0f}"]
            print(f"| {protocol} | {' | '.join(cells)} |")
        print()


def _cell(values: list[float], digits: int) -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.{digits}f} ({error:.{digits}f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    report(parser.parse_args().studies)
