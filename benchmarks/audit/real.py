"""The audit on real seeds of a single arm, where nothing differs, and with falls planted in some classes.

    python benchmarks/audit/real.py FOLDER [--most 60]
    python benchmarks/audit/real.py DROPMIX_DATA/predictions/ecg --several-labels

FOLDER holds runs of one arm (results/cifar100-wrn10-1-vanilla). Half of its seeds play the treated arm. A fall is
planted by turning right predictions of a class into wrong ones, each with the chance that makes its recall fall by the
wished points.

With --several-labels the folder holds scores of one network trained several times, model_*.npy of shape (N, K), and the
true labels, gold_standard.csv: every split of its seeds into halves, as sensitivity, specificity and average precision.
"""

import argparse
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np

from dropmix.audit import audit_predictions
from dropmix.audit.inputs.run_folders import find_runs, read_arms

PLANTED = 15
TWINS = ("", "_population")


def study(folder: Path, arm: str, most: int, fall: float) -> str:
    """One line of the table: splits of an arm's seeds, with a fall in 15 classes, or in none if the fall is 0."""
    members = [run for run in find_runs(folder)[0] if run.arm == arm]
    held = read_arms(members, folder, None, False, 1)[0][arm]
    seeds = len(held.seeds)
    splits = [s for s in combinations(range(seeds), seeds // 2) if 0 in s or seeds % 2]
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(splits))[:most]
    k = int(held.labels.max()) + 1
    rows = []
    for at in chosen:
        half = np.isin(np.arange(seeds), splits[at])
        pred = held.pred.copy()
        hit = rng.permutation(k)[: PLANTED if fall else 0]
        truth = np.zeros(k)
        for c in hit:
            rows_of_class = held.labels == c
            recall = (pred[~half][:, rows_of_class] == c).mean()
            truth[c] = -min(fall, recall)
            lose = rng.random((int((~half).sum()), int(rows_of_class.sum()))) < fall / max(recall, fall)
            block = pred[np.ix_(~half, rows_of_class)]
            pred[np.ix_(~half, rows_of_class)] = np.where(lose & (block == c), (c + 1) % k, block)
        base = {"labels": held.labels, "pred": pred[half]}
        c = audit_predictions(base, {"labels": held.labels, "pred": pred[~half]}, refits=0).only
        words = np.array(c.classes["decision"])
        hurt = np.isin(np.array(c.classes["class"], dtype=int), hit)
        low, high = c.summary["n_hurt_low"], c.summary["n_hurt_high"]
        number = int((truth < -0.01).sum())
        rows.append(
            (
                (c.summary["heterogeneity_p"] or 1.0) < 0.05,
                (words == "hurt")[hurt].sum(),
                (words == "hurt")[~hurt].sum(),
                (words == "safe")[hurt].sum(),
                low,
                high,
                not low <= number <= high,
                ((words == "hurt") & ~hurt).any(),
            )
        )
    mean = np.mean(np.array(rows, dtype=float), axis=0)
    planted = f"{PLANTED} classes at {-100 * fall:g}" if fall else "nothing"
    return (
        f"| {planted} | {len(rows)} of {comb(seeds, seeds // 2) // 2} | {mean[0]:.2f} | {mean[1]:.1f} | {mean[2]:.2f} "
        f"| {mean[7]:.2f} | {mean[3]:.2f} | {mean[4]:.1f} - {mean[5]:.1f} | {mean[6]:.3f} |"
    )


def study_of_labels(folder: Path) -> str:
    """One line of the table: every split of the seeds into halves, where nothing differs."""
    files = sorted(folder.glob("model_*.npy"))
    splits = [s for s in combinations(range(len(files)), len(files) // 2) if 0 in s]
    rows, count = [], 0
    for split in splits:
        one, other = ([f for i, f in enumerate(files) if (i in split) == inside] for inside in (True, False))
        c = audit_predictions(one, {"other": other}, labels=folder / "gold_standard.csv", refits=0).only
        words, count = np.array(c.classes["decision"]), c.summary["n_classes"]
        held = [(c.classes[f"recall_change_low{e}"] <= 0) & (c.classes[f"recall_change_high{e}"] >= 0) for e in TWINS]
        rows.append(
            (
                c.summary["heterogeneity_p"] < 0.05,
                (words == "hurt").any(),
                (words == "hurt").sum(),
                (words == "safe").sum(),
                c.summary["n_hurt_low"] > 0,
                1 - held[0].mean(),
                1 - held[1].mean(),
            )
        )
    m = np.mean(np.array(rows, dtype=float), axis=0)
    shown = " | ".join(f"{value:.3f}" for value in m)
    return f"| {count} | {len(rows)} of {len(splits)} | {shown} |"


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--arm", default="vanilla")
    parser.add_argument("--most", type=int, default=60, help="splits of each row")
    parser.add_argument("--several-labels", action="store_true")
    args = parser.parse_args()
    if args.several_labels:
        head = ("rows", "splits", "p < 0.05", "any hurt", "hurt", "safe", "lower bound above 0")
        print(f"| {' | '.join(head)} | interval misses 0, these examples | new examples |")
        print("|---|---|---|---|---|---|---|---|---|")
        print(study_of_labels(args.folder))
        return
    head = ("planted", "splits", "p < 0.05", "hurt, planted", "hurt, others", "any other hurt", "safe, planted")
    print(f"| {' | '.join(head)} | bounds | wrong |")
    print("|---|---|---|---|---|---|---|---|---|")
    for fall in (0.0, 0.04, 0.08):
        print(study(args.folder, args.arm, args.most, fall), flush=True)


if __name__ == "__main__":
    main()
