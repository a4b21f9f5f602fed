"""Find the finished runs in a folder, and group them so that each group has its own vanilla."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dropmix.audit.arm_names import MOST_BYTES, OF_CLASSES, arm_of_spec
from dropmix.audit.errors import AuditError, NoPredictionsError, clip, first, tally
from dropmix.audit.inputs.align import chosen_folds, merge_seeds, pool_folds
from dropmix.audit.inputs.files import ANYHOW, prepare, read_path, sha256
from dropmix.audit.inputs.given import MissingColumnError, Reading
from dropmix.audit.inputs.merge import unify
from dropmix.audit.inputs.predictions import BASELINE, Predictions

FORMAT = 1  # of spec.json and done
AGAIN = "Delete the run's folder and run the grid again."
LEFT_OUT = "A damaged run was left out: {}"
NAMED = re.compile(r"(?P<slug>.*)-s(?P<seed>\d+)(-f\d+)?-(?P<hash>[0-9a-f]{10})\Z", re.DOTALL)
OURS = {"report", "figures", "label-information", "paper"}  # folders that our own commands write beside the runs


@dataclass(frozen=True)
class Run:
    """A finished run folder, and the contents of its spec.json and done."""

    path: Path
    spec: dict
    done: dict

    @property
    def arm(self) -> str:
        """Name of the arm."""
        return self.spec["arm"]["name"]

    @property
    def setting(self) -> str:
        """Everything but arm, seed and fold, as text: what defines a group."""
        content = {k: v for k, v in self.spec.items() if k not in ("arm", "seed")}
        if self.fold is not None:
            content["data"] = {k: v for k, v in content["data"].items() if k != "fold"}
        return json.dumps(content, sort_keys=True)

    @property
    def fold(self) -> int | None:
        """The fold of the pictures that it predicted."""
        data = self.spec.get("data")
        return data.get("fold") if isinstance(data, dict) else None

    @property
    def folds(self) -> int:
        """The number of folds; 1 if the pictures were not split into folds."""
        return 1 if self.fold is None else int(self.spec["data"]["folds"])


def find_runs(folder: str | Path) -> tuple[list[Run], list[str]]:
    """The finished runs in a folder, sorted by its name, and sentences on unfinished runs and other folders.

    Raises:
        AuditError: no such folder, or no finished run.
    """
    folder = Path(folder)
    if not folder.is_dir():
        got = "a file" if folder.exists() else "nothing there"
        raise AuditError(f"{folder}: expected the folder of a grid, got {got}. Check the path.")
    runs, strangers, unfinished, damaged = [], [], [], []
    for path in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".") and p.name not in OURS):
        try:
            if not (path / "spec.json").is_file():
                strangers.append(path.name)
            elif not (path / "done").is_file():
                unfinished.append(path.name)
            else:
                runs.append(Run(path, _spec(path / "spec.json"), _known(path / "done")))
        except (AuditError, OSError) as error:
            damaged.append(_why(error))
    notes = []
    if unfinished:
        were = tally(len(unfinished), "unfinished run was", "unfinished runs were")
        notes.append(f"{were} left out: {first(unfinished)}.")
    notes += [LEFT_OUT.format(clip(why, 400)) for why in damaged]
    if strangers:
        were = tally(len(strangers), "folder is no run and was", "folders are no runs and were")
        notes.append(f"{were} ignored: {first(strangers)}.")
    if not runs:
        left = f" ({' '.join(notes)})" if notes else ""
        advice = "Give the folder of each arm, or run the grid first" if strangers else "Run the grid first"
        raise AuditError(f"{folder}: expected finished runs, got none{left}. {advice}.")
    return runs, notes


def _why(error: Exception) -> str:
    """What is wrong with a run; a file that cannot be opened is no reason to train it again."""
    if not isinstance(error, OSError):
        return str(error)
    return f"{error.filename}: expected a file that can be read, got {error.strerror}. Check its permissions."


def _json(path: Path) -> dict:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise AuditError(f"{path}: expected JSON, got {clip(error)}. {AGAIN}") from error
    if not isinstance(content, dict):
        raise AuditError(f"{path}: expected a JSON object, got {type(content).__name__}. {AGAIN}")
    return content


def _known(path: Path) -> dict:
    """A file of a format that this version writes; without a format, it is the first."""
    content = _json(path)
    if content.get("format", FORMAT) != FORMAT:
        raise AuditError(f"{path}: expected format {FORMAT}, got {clip(content['format'])}. Update dropmix.")
    return content


def _spec(path: Path) -> dict:
    spec = _known(path)
    arm = spec.get("arm")
    seed = spec.get("seed")
    if not (isinstance(arm, dict) and isinstance(arm.get("name"), str) and type(seed) is int):
        raise AuditError(
            f"{path}: expected an arm with a name and an integer seed, got arm {clip(arm)} and seed {clip(seed)}. "
            f"{AGAIN}"
        )
    rate = arm.get("rate", 0.0)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise AuditError(f"{path}: expected the arm's rate in [0, 1], got {clip(rate)}. {AGAIN}")
    if not _is_of(path.parent.name, spec):
        raise AuditError(
            f"{path}: expected the settings that the folder is named after, got others, as if the file "
            "had been edited. Undo the change, or delete the run's folder and run the grid again."
        )
    return spec


def _is_of(folder: str, spec: dict) -> bool:
    """Whether a folder's name agrees with its spec.json in arm, seed and hash; true for a name of another form."""
    named = NAMED.match(folder)
    if not named:
        return True
    unnamed = {**spec, "arm": {key: value for key, value in spec["arm"].items() if key != "name"}}
    if spec.get("weights_sha256") and spec.get("weights") != "pretrained":
        unnamed["weights"] = "file"  # hashed by content, not by path; so is a network's file
    if spec.get("network_sha256"):
        unnamed["network"] = str(spec["network"]).rpartition(":")[2]
    digests = [
        hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode(errors="replace")).hexdigest()
        for content in (spec, unnamed)
    ]
    slug = spec["arm"]["name"].replace("=", "").replace(" ", "-")
    slug = "".join(c if c.isalnum() or c in "-._" else "_" for c in slug)
    told = (named["slug"], named["seed"]) == (slug, str(spec["seed"]))
    return told and any(digest.startswith(named["hash"]) for digest in digests)


def group_runs(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by setting (everything but arm and seed), labelled by what differs between settings.

    Returns:
        label -> runs; the label is "" if there is one group.
    """
    settings: dict[str, list[Run]] = {}
    for run in runs:
        settings.setdefault(run.setting, []).append(run)
    flat = [_flat(json.loads(key)) for key in settings]
    varying = sorted(k for k in set().union(*flat) if len({json.dumps(f.get(k)) for f in flat}) > 1)
    # A fingerprint differs whenever the data does, and tells people nothing; keep it only if nothing else differs.
    spoken = [k for k in varying if "fingerprint" not in k] or varying
    labels = [", ".join(f"{k}={f.get(k)}" for k in spoken) for f in flat]
    if len(set(labels)) < len(labels):
        labels = [", ".join(f"{k}={clip(f.get(k))}" for k in varying) for f in flat]
    return dict(zip(labels, settings.values()))


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    made: dict[str, Any] = {}
    for key, inner in value.items():
        made |= _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return made


def read_arms(
    runs: Sequence[Run],
    root: Path,
    classes: Sequence[str] | None,
    intersect: bool,
    topk: int,
    reading: Reading = ANYHOW,
) -> tuple[dict[str, Predictions], list[str]]:
    """Predictions of each arm of one group, seeds merged, vanilla first.

    Returns:
        arm name -> predictions; and notes on repeated runs, and on runs left out because their predictions are damaged
        or belong to another run.
    Raises:
        AuditError: two different results for one seed.
        NoPredictionsError: no run whose predictions can be read.
    """
    parts: dict[str, dict[int, dict[int | None, Predictions]]] = {}
    notes = []
    folds = max((run.folds for run in runs), default=1)
    for run in runs:
        try:
            part = _read_run(run, root, replace(reading, classes=classes, topk=topk))
        except MissingColumnError:
            raise
        except (AuditError, OSError) as error:
            notes.append(LEFT_OUT.format(clip(_why(error), 400)))
            continue
        seed = int(part.seeds[0])
        of_seed = parts.setdefault(run.arm, {}).setdefault(seed, {})
        earlier = of_seed.get(run.fold)
        if earlier is None:
            of_seed[run.fold] = part
        elif earlier.sources[0]["sha256"] == part.sources[0]["sha256"]:
            notes.append(f"{run.path.name} repeats a run of {run.arm}, seed {seed}, and was left out.")
        else:
            raise AuditError(
                f"{run.path}: expected each seed of {run.arm} once, got seed {seed} twice with different predictions "
                f"(also {earlier.sources[0]['path']}). Remove one of the folders."
            )
    if not parts:
        raise NoPredictionsError(f"{root}: expected a run whose predictions can be read, got none. {' '.join(notes)}")
    kept, left_out = chosen_folds(parts, folds)
    notes += left_out
    arms = {
        name: merge_seeds([pool_folds(by_fold) for by_fold in kept[name].values()], intersect)
        for name in sorted(kept, key=lambda n: (n != BASELINE, n))
        if kept[name]
    }
    if folds > 1 and all(len(by_fold) == folds for seeds in kept.values() for by_fold in seeds.values()):
        notes.append(f"Predictions of {folds} folds were pooled: every example is predicted once per seed.")
    notes += _unwritten_groups(runs, arms.values()) if reading.group is None else []
    if not arms:
        raise AuditError(f"{root}: expected folds that every arm has, got none. Run the grid to its end.")
    return dict(zip(arms, unify(list(arms.values())))), notes


def _unwritten_groups(runs: Sequence[Run], arms: Iterable[Predictions]) -> list[str]:
    """What counts as one example, where the split of the data kept some together and the runs do not say which."""
    datas = (run.spec.get("data") for run in runs)
    split_by = next((data["group"] for data in datas if isinstance(data, dict) and data.get("group")), None)
    if split_by is None or any(arm.group is not None for arm in arms):
        return []
    return [
        f"The data were split by data.group={clip(split_by)}, but these runs did not write the groups: each example "
        "counts by itself. Name the groups with --group FILE:COLUMN."
    ]


def _read_run(run: Run, root: Path, reading: Reading) -> Predictions:
    file = run.path / "predictions.parquet"
    stated = run.done.get("predictions_sha256")
    if stated is not None and file.is_file() and sha256(file) != stated:
        raise AuditError(
            f"{file}: expected the predictions that the run wrote, got a changed file (SHA-256 differs from done). "
            f"{AGAIN}"
        )
    parts = read_path(run.path, prepare(reading))
    if len(parts) != 1 or parts[0].seeds[0] != run.spec["seed"]:
        raise AuditError(
            f"{file}: expected one run with seed {run.spec['seed']}, got {len(parts)} with seed "
            f"{first([p.seeds[0] for p in parts])}. {AGAIN}"
        )
    if parts[0].arm_given and parts[0].arm != run.arm:
        raise AuditError(
            f"{file}: expected predictions of {clip(run.arm)!r} as spec.json says, got {clip(parts[0].arm)!r}. {AGAIN}"
        )
    try:
        shown = str(file.relative_to(root))
    except ValueError:
        shown = str(file)
    source = {**parts[0].sources[0], "path": shown, "arm": run.arm}
    ours = "command" not in run.spec
    return replace(parts[0], arm=run.arm, ours=ours, spec_arm=arm_of_spec(run.spec["arm"]), sources=(source,))


def apart_from_rate(arm: Mapping[str, Any]) -> str:
    """All of a spec's arm but its name and DropMix's rate, rates and unit, as a text to compare."""
    same = ("method", "options", "per", *(key for key in OF_CLASSES if key != "rates"))
    return json.dumps({key: arm.get(key) for key in same}, sort_keys=True)


def pairs_by_rate(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Names (without DropMix, with DropMix) of arms that differ only in the DropMix rate or rates, and unit."""
    arms = {run.arm: run.spec["arm"] for run in runs if run.arm != BASELINE}
    dropped = lambda arm: bool(arm.get("rate") or arm.get("rates"))  # noqa: E731
    plain = {apart_from_rate(arm): name for name, arm in arms.items() if not dropped(arm)}
    rated = [(apart_from_rate(arm), name) for name, arm in sorted(arms.items()) if dropped(arm)]
    return [(plain[kind], name) for kind, name in rated if kind in plain]
