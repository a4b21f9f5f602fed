"""Do rates per class help? The arms that answer this, as a file holds them, and the answer of their runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.audit.inputs.run_folders import BASELINE, find_runs, read_arms
from dropmix.audit.measures.recall import class_sizes, correct_counts, recalls
from dropmix.audit.spreadsheet import write_whole
from dropmix.studies.tailor import Difference, answer, controls

FILE, ANSWER = "arms.json", "tailored.json"
DIGITS = 6


def arms_file(
    source: Mapping[str, Any], classes: Sequence[str], rates: np.ndarray, sizes: np.ndarray, chosen_from: str
) -> dict[str, Any]:
    """The tailored arm and its controls, as `dropmix run --arms` reads them.

    Args:
        source: the part `arm` of the spec.json of the method without DropMix.
        classes: names, M.
        rates: tailored, (M,).
        sizes: training examples of each class, (M,).
        chosen_from: where the rates come from, for a reader.
    Raises:
        ValueError: one rate for all classes, which is no tailored arm.
    """
    rates = np.round(rates, DIGITS)
    if len({*rates.tolist()}) == 1:
        raise ValueError(
            f"tailor: expected classes that lose more than others, got one rate, {rates[0]:g}, for all of them. "
            "Train more seeds, or hold out more."
        )
    plain = {key: source[key] for key in ("method", "options", "per") if key in source}
    others = {key: source[key] for key in ("partners", "confusions", "withhold") if key in source}
    made = controls(rates, sizes)
    uniform = round(float(made.pop("uniform")), DIGITS)
    dropped = plain | others | {"unit": "sample", "rate": uniform}
    arms: dict[str, Any] = {"plain": plain | others, "uniform": dropped}
    for key, values in {"tailored": rates, **made}.items():
        arms[key] = dropped | {"rates": dict(zip(classes, np.asarray(values).tolist()))}
    return {"format": 1, "chosen_from": chosen_from, "arms": arms}


def spared(arms: Mapping[str, Any]) -> list[str]:
    """Classes whose tailored rate is above the one rate for all: those that the rates were chosen to help."""
    tailored = arms["tailored"]
    return [name for name, rate in tailored["rates"].items() if rate > tailored["rate"]]


def answer_runs(folder: Path, arms: Mapping[str, Any]) -> list[Difference]:
    """Compare the runs of the tailored arm with those of its controls, and with vanilla, on the seeds that all have.

    Writes the differences into the folder's report as tailored.json.

    Args:
        folder: of the runs.
        arms: by key, as `arms_file` gives them.
    Raises:
        ValueError: an arm without runs, or fewer than two seeds that all arms have.
    """
    runs, _ = find_runs(folder)
    predictions, _ = read_arms(runs, folder, None, False, 1)
    keys = {run.arm: key for run in runs for key in [_key(run.spec["arm"], arms)] if key is not None}
    name_of = {keys[name]: name for name in predictions if name in keys}
    if missing := [key for key in (BASELINE, *arms) if key not in name_of]:
        raise ValueError(f"{folder}: expected runs of every arm, got none of {missing[0]!r}. Train them to their end.")
    seeds = set.intersection(*({*predictions[name].seeds.tolist()} for name in name_of.values()))
    tailored = predictions[name_of["tailored"]]
    names = list(tailored.class_names or ())
    sizes = class_sizes(tailored.labels, len(names))
    of_arms = {}
    for key, name in name_of.items():
        rows = [i for i, seed in enumerate(predictions[name].seeds.tolist()) if seed in seeds]
        order = sorted(rows, key=lambda i, name=name: predictions[name].seeds[i])
        counts = correct_counts(predictions[name].labels, predictions[name].correct()[order], len(names))
        of_arms[key] = recalls(counts, sizes)[:, sizes > 0]
    chosen = np.isin(names, spared(arms))
    made = answer(of_arms, chosen[sizes > 0], sizes[sizes > 0])
    (folder / "report").mkdir(exist_ok=True)
    text = json.dumps({"spared": spared(arms), "differences": [asdict(one) for one in made]}, indent=1)
    write_whole(folder / "report" / ANSWER, lambda part: part.write_text(text + "\n", encoding="utf-8"))
    return made


def _key(arm: Mapping[str, Any], arms: Mapping[str, Any]) -> str | None:
    """The key in `arms` of the arm of a spec.json; None for an arm that is not among them."""
    if arm["name"] == BASELINE:
        return BASELINE
    return next((key for key, written in arms.items() if _is_written(arm, key, written)), None)


def _is_written(arm: Mapping[str, Any], key: str, written: Mapping[str, Any]) -> bool:
    """Whether the arm of a spec.json is the arm that a file writes out under a key.

    With rates per class, the spec's `rate` is their mean over the data, so the key in the arm's name is compared.
    """
    if any(arm.get(field) != value for field, value in written.items() if field not in ("rate", "unit")):
        return False
    if "rates" in written:
        return f"rates={key}" in arm["name"].split()
    return arm.get("rates") is None and arm.get("rate", 0) == written.get("rate", 0)
