"""Add seeds in rounds until the protected classes are decided: train, look, and go on while a class is open.

Look k uses only the first S_k seeds and a level of its own, so that all looks together keep 5 %. A look is a function
of finished runs: if the command is killed and called again, it takes the same looks and ends the same way.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropmix.cli.streams import say

if TYPE_CHECKING:
    from dropmix.audit import Audit
    from dropmix.audit.inference.looks import Looks
    from dropmix.audit.settings import Settings

CLASSES = 6  # open classes of an arm that are named
Train = Callable[[int, float | None], int]  # from a number of seeds, and seconds left, to an exit status


@dataclass(frozen=True)
class DecisionGoal:
    """What `dropmix run --until-decided` is asked.

    Args:
        protect, tolerance: as typed, "fox,lynx" and "1" or "fox=1"; None is one point.
        max_seeds: seeds of each arm at the last look.
        rule: how the level is shared out over looks.
    """

    protect: str | None
    tolerance: str | None
    max_seeds: int
    rule: str

    @property
    def settings(self) -> "Settings":
        """The settings of the audit; a wrong tolerance is refused before anything is trained.

        Raises:
            ValueError: no protected class, or a wrong tolerance.
        """
        from dropmix.audit.settings import TOLERANCE, Settings
        from dropmix.cli.reporting import names_of, tolerances_of

        protect = names_of(self.protect)
        if not protect:
            raise ValueError("--until-decided: expected the classes to decide, got none. Add --protect fox,lynx.")
        tolerance = TOLERANCE if self.tolerance is None else tolerances_of(self.tolerance)
        return Settings(protect=protect, tolerance=tolerance)

    def looks(self, seeds: int) -> "Looks":
        """The looks; the first one uses this number of seeds.

        Raises:
            ValueError: as `settings`; fewer than two seeds, fewer at most, or an unknown rule.
        """
        from dropmix.audit.inference.looks import RULES, Looks, rounds

        asked = self.settings
        if self.rule not in RULES:
            raise ValueError(f"--looks: expected one of {', '.join(RULES)}, got {self.rule!r}. Choose one.")
        if seeds < 2 or self.max_seeds < seeds:
            raise ValueError(
                f"--until-decided: expected two seeds at first and --max-seeds of at least as many, got {seeds} and "
                f"{self.max_seeds}. Say e.g. --seeds 3 --max-seeds 12."
            )
        return Looks(tuple(asked.protect), asked.tolerance, self.rule, tuple(rounds(seeds, self.max_seeds)))


def train_until_decided(train: Train, out: Path, question: DecisionGoal, grid: Any, limit: float | None = None) -> int:
    """Train round after round, and look after each; return the exit status.

    Args:
        train: called with a number of seeds per arm and the seconds left; trains the missing runs.
        out: the grid's folder.
        question: what is asked.
        grid: of the first round: `seeds` of them, counted from `first_seed`.
        limit: seconds for all rounds together.
    """
    from dropmix.audit.inference.looks import FILE
    from dropmix.cli.reporting import print_audit, write_audit
    from dropmix.grid.store import run_card

    started, looks = time.time(), question.looks(grid.seeds)
    print(plan_line(looks), flush=True)
    audit: Audit | None = None
    for i, seeds in enumerate(looks.seeds, 1):
        try:
            status = train(seeds, None if limit is None else max(limit - (time.time() - started), 0.0))
        finally:  # a limit may end this before the first look, and whoever audits these runs has to keep its level
            if any(out.glob("*/spec.json")) and not (out / FILE).exists():
                looks.write(out)
        if status:
            return status
        looks = replace(looks, done=i)
        audit = look(out, looks, range(grid.first_seed, grid.first_seed + seeds))
        left, lost = still_open(audit)
        print(f"{looks.note}\n{_told(left, lost, last=i == len(looks.seeds))}", flush=True)
        looks.write(out)
        if not left:
            break
    assert audit is not None
    print_audit(audit)
    say(write_audit(audit, out / "report", run_card(out)))
    return 0


def plan_line(looks: "Looks") -> str:
    """The plan as one sentence: seeds at each look, the classes, and the levels."""
    from dropmix.audit.quantities.words import named

    seeds, classes = ", ".join(map(str, looks.seeds)), ", ".join(map(named, looks.protect))
    levels = [f"{100 * looks.level(number):.2g}" for number in range(1, len(looks.seeds) + 1)]
    are = "is" if len(looks.protect) == 1 else "are"
    return (
        f"Looks at {seeds} seeds per arm until {classes} {are} decided, "
        f"at {', '.join(dict.fromkeys(levels))} % (5 % over all looks)."
    )


def look(out: Path, looks: "Looks", seeds: range) -> "Audit":
    """The audit of the runs with these seeds, at the level of the look."""
    from dropmix.audit import audit_grid
    from dropmix.audit.inputs.run_folders import find_runs

    later = {run.spec["seed"] for run in find_runs(out)[0]} - {*seeds}
    options: dict[str, Any] = {"protect": looks.protect, "tolerance": looks.tolerance, "alone": looks.level(looks.done)}
    return audit_grid(out, drop_seed=[str(seed) for seed in sorted(later)], **options)


def still_open(audit: "Audit") -> tuple[dict[str, list[str]], list[str]]:
    """Protected classes that more seeds could decide, by arm, and those that the baseline hardly finds."""
    from dropmix.audit.rows.would_decide import hardly_found

    left: dict[str, list[str]] = {}
    unlearned: list[str] = []
    for c in audit.comparisons:
        rows = zip(c.classes["class"], c.classes["decision"], c.classes["protected"])
        asked = [(str(name), word) for name, word, named in rows if named == "yes"]
        lost = hardly_found(c.classes)
        unlearned += [name for name, _ in asked if name in lost]
        names = [name for name, word in asked if word not in ("hurt", "safe") and name not in lost]
        if names:
            left[f"{c.arm} ({c.group})" if c.group else c.arm] = names
    return left, [*dict.fromkeys(unlearned)]


def _told(left: dict[str, list[str]], lost: list[str], last: bool) -> str:
    from dropmix.audit.arm_names import visible
    from dropmix.audit.quantities.words import named

    if not left and lost:
        some = ", ".join(map(named, lost[:CLASSES]))
        return visible(f"More seeds would decide nothing: the baseline hardly finds {some}. Train longer.")
    if not left:
        return "Every protected class is decided."
    shown = []
    for arm, names in left.items():
        more = f" and {len(names) - CLASSES} more" if len(names) > CLASSES else ""
        shown.append(f"{arm}: {', '.join(map(named, names[:CLASSES]))}{more}")
    end = " That was the last look: the level is spent, and more seeds would be a new question." if last else ""
    return visible(f"Still open: {'; '.join(shown)}.{end}")
