"""Find the runs that the paper's tables and figures need: those of its protocol, or smaller ones in their place."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.audit.analysis import analyse
from dropmix.audit.arm_names import ArmName, arm_of_spec
from dropmix.audit.comparison import compose
from dropmix.audit.errors import AuditError, NoPredictionsError, first
from dropmix.audit.inputs.run_folders import BASELINE, Run, find_runs, read_arms
from dropmix.audit.measures.counts import Pair, pair
from dropmix.audit.result import Audit, Comparison
from dropmix.audit.settings import Settings
from dropmix.paper.exhibits import EXHIBITS, SEEDS, ArmChoice, Exhibit, Need
from dropmix.paper.panel import Panel
from dropmix.paper.replicate import Range, confidence_ranges
from dropmix.recipes import get_recipe

PRESETS = ("paper", "released-code")
# What does not change the protocol that a run follows; the fingerprint only identifies the data.
LOOSE = (("data", "fingerprint"), ("train", "precision"), ("train", "evaluate_every"), ("train", "evaluate_last"))
FAST = Settings(refits=0)


class RunGroup:
    """Finished runs that share everything but arm and seed; compared on first use.

    Args:
        spec: what they share.
        runs: of all arms.
        root: the folder as given, for messages.
    Attributes:
        notes: sentences on runs that were left out, which nothing here counts.
    Raises:
        AuditError: no run whose predictions can be read, or two different ones of a seed.
    """

    def __init__(self, spec: dict[str, Any], runs: list[Run], root: Path) -> None:
        self.spec = spec
        self.protocols = [key for key, content in protocols().items() if content == loose(spec)]
        self._comparisons: dict[str, Comparison] = {}
        self._arms, self.notes = read_arms(runs, root, None, False, 1)
        self.arms: dict[str, ArmName] = {run.arm: arm_of_spec(run.spec["arm"]) for run in runs if run.arm in self._arms}
        self.seeds: dict[str, list[int]] = {arm: sorted(self._arms[arm].seeds.tolist()) for arm in self.arms}

    def pair(self, name: str) -> Pair:
        """An arm beside vanilla."""
        return pair(self._arms[BASELINE], self._arms[name], None, FAST)

    def comparison(self, name: str) -> Comparison:
        """An arm compared with vanilla."""
        if name not in self._comparisons:
            (self._comparisons[name],) = compose([analyse(self.pair(name), FAST, paired=True)], FAST)
        return self._comparisons[name]

    def audit(self, names: Sequence[str]) -> Audit:
        """Several arms compared with vanilla; empty without vanilla."""
        kept = [n for n in names if n != BASELINE] if BASELINE in self.seeds else []
        comparisons = [self.comparison(name) for name in kept]
        return Audit(comparisons, comparisons[0].classes["class"] if comparisons else [], [], {})

    def confidence(self, name: str) -> tuple[Range, Range] | None:
        """Ranges of a second study's confidence changes, if the predictions hold probabilities."""
        confidence = confidences(self.pair(name))
        if confidence is None:
            return None
        p = self.pair(name)
        return confidence_ranges((p.counts0, p.counts1), confidence)

    @property
    def short_words(self) -> str:
        """Network, images and length, for a figure."""
        return ", ".join(part for part in self.words.split(", ") if "seed" not in part)

    @property
    def words(self) -> str:
        """Network, data, length and seeds, for a heading."""
        data, train = self.spec.get("data", {}), self.spec.get("train", {})
        parts = [f"{self.spec.get('network', 'unknown network')} on {data.get('name', 'unknown data')}"]
        if data.get("train_per_class"):
            parts.append(f"{data['train_per_class']} training images per class")
        if data.get("validation"):
            parts.append(f"tested on {100 * data['validation']:g} % held out of train")
        if train.get("epochs"):
            parts.append(f"{train['epochs']} epochs")
        counts = sorted({len(seeds) for seeds in self.seeds.values()})
        parts.append(f"{counts[0]} seeds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds")
        parts += ["bf16"] if train.get("precision") == "bf16" else []
        return ", ".join(parts)


def confidences(p: Pair) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean probability of the true class, of each seed and audited class, under both arms: (S0, M), (S1, M)."""
    if p.baseline.p_true is None or p.treated.p_true is None:
        return None
    position, m = p.position, len(p.sizes)
    both = [
        np.stack([np.bincount(position, weights=row, minlength=m) / p.sizes for row in p_true])
        for p_true in (p.baseline.p_true, p.treated.p_true)
    ]
    return both[0], both[1]


@cache
def protocols() -> dict[tuple[str, str], dict[str, Any]]:
    """(recipe, preset) -> what the paper's runs of it share."""
    recipes = dict.fromkeys(need.recipe for exhibit in EXHIBITS.values() for need in exhibit.needs)
    return {
        (recipe, preset): loose(get_recipe(recipe, preset).base.model_dump(mode="json", exclude={"arm", "seed"}))
        for recipe in recipes
        for preset in PRESETS
    }


def loose(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec without its arm, its seed, and what does not change the protocol."""
    copy = json.loads(json.dumps({k: v for k, v in spec.items() if k not in ("arm", "seed")}))
    for part, key in LOOSE:
        if isinstance(copy.get(part), dict):
            copy[part].pop(key, None)
    return copy


def find_groups(folders: Sequence[Path]) -> tuple[list[RunGroup], list[str]]:
    """All groups of finished runs in some folders, each a grid or a folder of grids.

    Returns:
        groups, and notes on what was left out.
    Raises:
        AuditError: no such folder, or no finished run in any folder.
    """
    runs: dict[str, list[Run]] = {}
    specs: dict[str, dict[str, Any]] = {}
    notes: list[str] = []
    for folder in folders:
        if not folder.is_dir():
            got = "a file" if folder.is_file() else "nothing there"
            raise AuditError(f"{folder}: expected the folder of a grid, got {got}. Check the path.")
        for grid in sorted({path.parent.parent for path in folder.glob("**/spec.json")}):
            try:
                complete, more = find_runs(grid)
            except AuditError as error:
                if list(grid.glob("*/done")):
                    raise
                complete, more = [], [f"{grid}: no finished run ({first([str(error)])})."]
            notes += more
            for run in complete:
                shared = {k: v for k, v in run.spec.items() if k not in ("arm", "seed")}
                key = json.dumps(shared, sort_keys=True)
                specs[key] = shared
                runs.setdefault(key, []).append(run)
    if not runs:
        raise AuditError(
            f"{first([str(f) for f in folders])}: expected finished runs, got none. Train those of dropmix paper plan."
        )
    groups, unread = [], []
    for key, members in runs.items():
        try:
            groups.append(RunGroup(specs[key], members, Path(folders[0])))
        except NoPredictionsError as error:
            unread.append(str(error))
    if not groups:
        raise AuditError(" ".join(unread))
    return groups, [*notes, *unread, *(note for group in groups for note in group.notes)]


def panels(exhibit: Exhibit, groups: Sequence[RunGroup]) -> tuple[list[Panel], list[str]]:
    """The panels of a table or figure that runs allow, and what is missing altogether.

    Runs of the paper's protocol come first. For a network without any, runs that follow no protocol of the paper may
    stand in, the most similar first.
    """
    made: list[Panel] = []
    open_needs: list[Need] = []
    for need in exhibit.needs:
        exact = [(g, preset) for g in groups for recipe, preset in g.protocols if recipe == need.recipe]
        made += [_panel(need, group, preset) for group, preset in exact]
        if not exact:
            open_needs.append(need)
    for group in [g for g in groups if not g.protocols]:
        if open_needs:
            need = max(open_needs, key=lambda n: _likeness(n, group))
            open_needs.remove(need)
            made.append(_panel(need, group, None))
    missing = [f"{need.network}: all {len(need.choices)} arms x {SEEDS} seeds" for need in open_needs]
    return [panel for panel in made if panel.audit.comparisons], missing + [
        f"{panel.heading}: {'; '.join(panel.missing)}" for panel in made if panel.missing
    ]


def _likeness(need: Need, group: RunGroup) -> tuple[bool, bool]:
    base = get_recipe(need.recipe).base
    family = str(group.spec.get("network", "")).rstrip("0123456789-")
    return base.data.name == group.spec.get("data", {}).get("name"), base.network.startswith(family or "?")


def _panel(need: Need, group: RunGroup, preset: str | None) -> Panel:
    exact = preset is not None
    arms = {choice: choice.arm(preset or str(group.spec.get("preset", "paper"))) for choice in need.choices}
    planned = {choice: arm.name for choice, arm in arms.items()}
    methods = {arm_of_spec(arm.model_dump()).method for arm in arms.values()}
    wanted = [n for n, arm in group.arms.items() if n in planned.values() or (not exact and arm.method in methods)]
    heading = f"{need.network}{'' if preset in (None, 'paper') else f', preset {preset}'}"
    if not exact:
        heading = f"ours (small), {group.words}; beside the paper's {need.network}"
    elif group.spec.get("train", {}).get("precision") == "bf16":
        heading += ", bf16"
    audit = group.audit(sorted(wanted, key=lambda n: (group.arms[n].method, group.arms[n].rate)))
    ranges = {c.arm: confidence for c in audit.comparisons if (confidence := group.confidence(c.arm)) is not None}
    label = need.network if exact else f"small: {group.short_words}"
    return Panel(need.network, heading, label, exact, audit, ranges, _missing(planned, group, exact))


def _missing(planned: dict[ArmChoice, str], group: RunGroup, exact: bool) -> list[str]:
    """Missing arms and seeds, one per line; for runs that stand in, only the number of seeds counts."""
    lines = []
    for name in planned.values():
        finished = group.seeds.get(name, [])
        lacking = [seed for seed in range(SEEDS) if seed not in finished]
        if not finished:
            lines.append(f"{name} (all {SEEDS} seeds)")
        elif lacking and exact:
            lines.append(f"{name} (seed{'s' if len(lacking) > 1 else ''} {', '.join(map(str, lacking))})")
        elif len(finished) < SEEDS and not exact:
            lines.append(f"{name} (has {len(finished)} of {SEEDS} seeds)")
    if BASELINE not in group.seeds:
        lines.insert(0, "vanilla, without which nothing can be compared")
    return lines
