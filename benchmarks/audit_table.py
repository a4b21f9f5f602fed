"""The page benchmarks/results/audit.md, from what benchmarks/audit.py measured."""

from collections import defaultdict

import numpy as np

METHODS = ("audit", "sign rule", "Welch + BH", "seed bootstrap")
SIZES = {"CIFAR": 100, "ImageNet": 1000}  # the cells that the bars are asked of, and their classes


def table(rows: list[dict], cells: list[str], truths: list[str]) -> str:
    """Markdown of everything measured so far.

    Args:
        rows: lines of the state file.
        cells, truths: in the order in which they are shown.
    """
    groups = defaultdict(list)
    costs = []
    for row in rows:
        if "cost" in row:
            costs.append(row)
        else:
            for kind in ("fixed", "population"):
                if kind in row:
                    groups[row["cell"], kind, row["truth"]].append(row[kind])
    lines = [*_intro(), "", *_bars(groups), ""]
    for cell in cells:
        for kind in ("fixed", "population"):
            shown = [(t, groups[cell, kind, t]) for t in truths if (cell, kind, t) in groups]
            if shown:
                lines += [f"## {cell}: {'these examples' if kind == 'fixed' else 'new examples too'}", ""]
                lines += [*_table(shown), ""]
    if costs:
        lines += _cost_lines(costs[-1])
    return "\n".join(lines).rstrip()


def _intro() -> list[str]:
    return [
        "# Calibration and cost of the audit",
        "",
        "`python benchmarks/audit.py calibrate|cost|table --state FILE`: simulated predictions with a known truth, "
        "model and sizes in `dropmix.studies.simulate`; every procedure sees the same predictions.",
        "",
        "`number` is the estimated number of classes whose recall truly falls by more than 0.5 points, `true` what it "
        "is; RMSE of it; FDR and power of the calls (a call is false when the true change is not below -0.5 points; in "
        "brackets, when it is not below 0); `change` is the mean change of the truly degraded, in points; coverage is "
        "of the 90 % intervals of number and change, on the stated part of the repetitions. The columns of the other "
        "procedures count their calls as the number.",
    ]


def _bars(groups: dict) -> list[str]:
    """What is asked of the procedure at both sizes, and the worst that was measured."""
    worst: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for (cell, kind, truth), reps in groups.items():
        if cell not in SIZES or kind != "fixed":
            continue
        at = f"{cell}, {truth}, {len(reps)} repetitions"
        fdr, number = (float(np.mean([r["audit"][key] for r in reps])) for key in ("fdp", "number"))
        worst["FDR of the calls <= 0.12"].append((fdr, at))
        if truth.startswith("equal"):
            where = "<= 3 at equal 0.84, 1.49" if float(truth.split()[1]) >= 0.84 else "<= 8 at equal 0, 0.25"
            worst[f"number in % of the classes {where}"].append((100 * number / SIZES[cell], at))
            continue
        error = [np.sqrt(np.mean([(r[m]["number"] - r["true"]) ** 2 for r in reps])) for m in METHODS[:2]]
        worst["RMSE / the sign rule's <= 0.65"].append((float(error[0] / error[1]), at))
        for name, value in zip(("number", "change"), covered(reps)):
            if value is not None:
                worst[f"1 - coverage of the {name} <= 0.20"].append((1 - value, at))
    rows = [(name, *max(values)) for name, values in sorted(worst.items())]
    return ["| asked | worst | where |", "|---|---|---|", *(f"| {n} | {value:.3f} | {at} |" for n, value, at in rows)]


def _table(rows: list[tuple[str, list[dict]]]) -> list[str]:
    lines = [
        "| truth | reps | true | procedure | number | RMSE | FDR | power | change (true) | coverage |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for truth, reps in rows:
        true = np.array([r["true"] for r in reps])
        for method in METHODS:
            got = [r[method] for r in reps]
            number = np.array([g["number"] for g in got])
            rmse = np.sqrt(np.mean((number - true) ** 2))
            fdr, fdr0, power = (np.mean([g[k] for g in got]) for k in ("fdp", "fdp0", "power"))
            both = [
                (g["change"], r["true_change"])
                for g, r in zip(got, reps)
                if None not in (g["change"], r["true_change"])
            ]
            change = "{:.2f} ({:.2f})".format(*np.mean(both, axis=0) * 100) if both else ""
            cover = _coverage(reps) if method == "audit" else ""
            head = f"| {truth} | {len(reps)} | {true.mean():.1f} |" if method == "audit" else "| | | |"
            strength = f"{power:.2f}" if true.any() else ""
            numbers = f"{number.mean():.1f} | {rmse:.1f} | {fdr:.2f} [{fdr0:.2f}]"
            lines.append(f"{head} {method} | {numbers} | {strength} | {change} | {cover} |")
    return lines


def covered(reps: list[dict]) -> list[float | None]:
    """Share of the repetitions whose interval of the number, and of the mean change, holds the truth."""
    held = [r for r in reps if "bounds" in r and r["true"]]
    known = [r for r in held if not any(np.isnan(b) for b in r["bounds"][2:])]
    inside = (
        [r["bounds"][0] <= r["true"] <= r["bounds"][1] for r in held],
        [r["bounds"][2] <= r["true_change"] <= r["bounds"][3] for r in known],
    )
    return [float(np.mean(i)) if i else None for i in inside]


def _coverage(reps: list[dict]) -> str:
    shares = [f"{share:.2f}" for share in covered(reps) if share is not None]
    return f"{', '.join(shares)} ({sum('bounds' in r for r in reps)})" if shares else ""


def _cost_lines(row: dict) -> list[str]:
    lines = [
        "## Cost at 1000 classes x 50,000 images x 20 runs",
        "",
        "| part | CPU seconds | wall seconds |",
        "|---|---|---|",
    ]
    lines += [f"| {key} | {cpu:.3f} | {wall:.3f} |" for key, (cpu, wall) in row["cost"].items()]
    memory = row["memory"]
    lines += [
        "",
        f"Peak memory rose by {memory['peak_rise_mb']:.0f} MB while auditing {memory['input_mb']:.0f} MB of columns.",
    ]
    return lines
