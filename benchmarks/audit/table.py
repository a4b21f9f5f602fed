"""The tables of what benchmarks/audit/calibrate.py measured."""

from collections import defaultdict

import numpy as np

PROCEDURES = ("audit", "first try", "Welch + BH", "its p + BH")
ENOUGH = 10  # studies for a cell to be called the worst


def table(rows: list[dict], worlds: list[str], truths: list[str]) -> str:
    """Markdown of everything measured so far.

    Args:
        rows: lines of the state file.
        worlds, truths: in the order in which they are shown.
    """
    cells: dict[tuple[str, int, str], list[dict]] = defaultdict(list)
    for row in rows:
        if "rep" in row:  # older state files hold costs, too
            cells[row["world"], row["classes"], row["truth"]].append(row)
    sizes = sorted({m for _, m, _ in cells})
    lines = [*_intro(), "", *_bars(cells), ""]
    for m in sizes:
        lines += [f"## {m} classes", "", *_head()]
        lines += [line for w in worlds for t in truths if (w, m, t) in cells for line in _lines(w, t, cells[w, m, t])]
        lines += [""]
    return "\n".join(lines).rstrip()


def _intro() -> list[str]:
    text: str = """\
# Calibration of the audit

`python benchmarks/audit/calibrate.py calibrate|table --state FILE`: simulated predictions with a known truth, drawn by
`benchmarks/audit/worlds.py`, whose model the audit does not know; every procedure sees the same studies. The tolerance
is one point. Three classes are protected in every study.

`hurt` and `safe` are the numbers of classes called so, with false calls in parentheses. FDR is the mean share of false
calls in a study. `inside` is the share of 90 % intervals that hold the truth, over classes with enough examples.
`p < 0.05` counts the test for unevenness, in worlds where nothing is uneven. `bounds` are the mean guaranteed bounds on
the number of hurt classes, with the share of wrong bounds in parentheses. `named wrong` is the share of protected
classes called safe although hurt, or hurt although not; each is tested alone at 5 %, which causes most false calls if
nothing changed. `first try` is an earlier procedure (`benchmarks/audit/first_try.py`). With ten frames per clip, it and
Welch's test do not know about clips."""
    return [str(line) for line in text.splitlines()]


def _head() -> list[str]:
    return [
        "| world | truth (studies) | truly hurt | procedure | hurt (false) | safe (false) | FDR | inside | p < 0.05 "
        "| bounds (wrong) | named wrong |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]


def _lines(world: str, truth: str, reps: list[dict]) -> list[str]:
    lines = []
    number = np.mean([np.mean(r["number"]) for r in reps])
    for name in PROCEDURES:
        held = [r[name] for r in reps if name in r]
        if not held:
            continue
        mean = lambda key, held=held: float(np.mean([h[key] for h in held]))  # noqa: E731
        inside = "" if held[0]["inside"] is None else f"{mean('inside'):.2f}"
        flat = truth == "nothing changed" and held[0]["uneven"] is not None
        p = f"{mean('uneven'):.2f}" if flat else ""
        bounds, wrong = "", ""
        if name == "audit":
            low, high = np.mean([np.mean(r["bounds"], axis=0) for r in reps], axis=0)
            bounds = f"{low:.1f} - {high:.1f} ({_missed(reps):.2f})"
            wrong = f"{np.mean([r['wrong_named'] for r in reps]):.3f}"
        start = f"| {world} | {truth} ({len(reps)}) | {number:.1f} " if name == "audit" else "| | | "
        lines.append(
            f"{start}| {name} | {mean('hurt'):.1f} ({mean('false_hurt'):.2f}) | {mean('safe'):.1f} "
            f"({mean('false_safe'):.2f}) | {_fdr(held):.2f} | {inside} | {p} | {bounds} | {wrong} |"
        )
    return lines


def _fdr(held: list[dict]) -> float:
    """The mean share of false calls among corrected classes: the larger one of hurt and safe calls."""
    return float(np.mean([h["false_shares"] for h in held], axis=0).max())


def _missed(reps: list[dict]) -> float:
    """Share of arms whose guaranteed bounds miss the number of hurt classes."""
    wrong = [[not low <= n <= high for (low, high), n in zip(r["bounds"], r["number"])] for r in reps]
    return float(np.mean(wrong))


def _bars(cells: dict) -> list[str]:
    """What is asked, the mean over all cells, and the worst cell."""
    asked = {
        "protected classes called wrongly, <= 0.05": lambda reps: np.mean([r["wrong_named"] for r in reps]),
        "FDR of the calls, <= 0.12": lambda reps: _fdr([r["audit"] for r in reps]),
        "guaranteed bounds wrong, <= 0.05": _missed,
        "intervals that miss, <= 0.12": lambda reps: 1 - np.mean([r["audit"]["inside"] for r in reps]),
        "studies with nothing changed and a class called hurt, <= 0.10": lambda reps: _null(
            reps, lambda r: r["audit"]["any_false_hurt"]
        ),
        "unevenness found where nothing changed, <= 0.07": lambda reps: _null(reps, lambda r: r["audit"]["uneven"]),
    }
    lines = ["| asked | all cells | worst cell | which |", "|---|---|---|---|"]
    for bar, measure in asked.items():
        measured = [(float(value), key) for key, reps in cells.items() if (value := measure(reps)) is not None]
        if measured:
            weight = [len(cells[key]) for _, key in measured]
            worst, (world, m, truth) = max((x for x in measured if len(cells[x[1]]) >= ENOUGH), default=max(measured))
            where = f"{world}, {m} classes, {truth}, {len(cells[world, m, truth])} studies"
            lines.append(
                f"| {bar} | {np.average([v for v, _ in measured], weights=weight):.3f} | {worst:.3f} | {where} |"
            )
    return lines


def _null(reps: list[dict], happened) -> float | None:
    if reps[0]["truth"] != "nothing changed":
        return None
    return float(np.mean([happened(r) for r in reps]))
