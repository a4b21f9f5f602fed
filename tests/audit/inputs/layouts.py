"""Random legal layouts of the same predictions: files, frames and arrays as other programs write them."""

import csv
import decimal
import gzip
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .helpers.values import CLASSES, COUNT, IDS, NAMES, NUMBERED, PATIENTS, SEEDS, TITLES, WHOLE, WRITTEN


def study() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels (N,), whose last class is only ever predicted, and probabilities per arm (S, N, K)."""
    rng = np.random.default_rng(5)
    labels = np.concatenate([np.arange(CLASSES - 1), rng.integers(0, CLASSES - 1, COUNT - CLASSES + 1)])
    probs = {}
    for arm, right in (("vanilla", 2.0), ("mixup", 2.6)):
        logits = rng.normal(size=(SEEDS, COUNT, CLASSES)) + right * np.eye(CLASSES)[labels]
        probs[arm] = (np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)).round(6)
    return labels, probs


LABELS, PROBS = study()


@dataclass
class Drawn:
    """What all layouts of a case share."""

    rng: np.random.Generator  # draws the layout
    kind: str  # of the class names
    ids: list | None  # of the examples; None if their order identifies them
    with_probs: bool  # whether probabilities of the true and the predicted class are kept
    written: str = "{}"  # how class numbers are written
    numbered: Any = int  # how ids that are numbers are written

    @property
    def names(self) -> list:
        return NAMES[self.kind]

    def pick(self, *options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def sometimes(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def order(self) -> np.ndarray:
        return np.arange(COUNT) if self.ids is None else self.rng.permutation(COUNT)

    def shown(self, classes: np.ndarray) -> list:
        names = [self.names[c] for c in classes]
        return names if self.written == "{}" else [self.written.format(name) for name in names]

    def vary(self, make: Any) -> None:
        """Draw how the numbers of the next arm are written."""
        numbers = isinstance(self.names[0], int) and make in (tables, wide)
        self.written = self.pick(*WRITTEN) if numbers else "{}"
        self.numbered = self.pick(*NUMBERED)


def draw(case: int) -> Drawn:
    rng = np.random.default_rng([7, case])
    ids = [*IDS.values(), None][int(rng.integers(len(IDS) + 1))]
    return Drawn(rng, [*NAMES][int(rng.integers(len(NAMES)))], ids, bool(rng.random() < 0.5))


def plain_arms(drawn: Drawn) -> list[dict]:
    """Both arms as one mapping of arrays each, the layout that the others are compared with."""
    made = []
    for probs in PROBS.values():
        arm = {"labels": np.array(drawn.shown(LABELS)), "pred": np.array(drawn.names)[probs.argmax(axis=2)]}
        arm |= {"patient": np.array(PATIENTS)} | ({} if drawn.ids is None else {"example_id": np.array(IDS["files"])})
        if drawn.with_probs:
            arm["p_true"] = np.take_along_axis(probs, LABELS[None, :, None], axis=2)[:, :, 0]
            arm["p_max"] = probs.max(axis=2)
        made.append(arm)
    return made


def examples(drawn: Drawn, order: np.ndarray) -> dict[str, list]:
    """Columns that hold for every run."""
    ids = {} if drawn.ids is None else {"example_id": [drawn.ids[i] for i in order]}
    if ids and isinstance(drawn.ids[0], int):  # type: ignore[index]
        ids = {"example_id": [drawn.numbered(i) for i in ids["example_id"]]}
    return ids | {"label": drawn.shown(LABELS[order]), "patient": [PATIENTS[i] for i in order]}


def run_of(drawn: Drawn, arm: str, seed: int, order: np.ndarray) -> dict[str, list]:
    """One run as columns."""
    probs = PROBS[arm][seed][order]
    made = examples(drawn, order) | {"pred": drawn.shown(probs.argmax(axis=1))}
    if drawn.with_probs:
        made |= {"p_true": probs[np.arange(COUNT), LABELS[order]].tolist(), "p_max": probs.max(axis=1).tolist()}
    return made


def titled(drawn: Drawn, columns: dict[str, list]) -> dict[str, list]:
    """The same columns under other usual names, in another order, among columns that nobody needs."""
    made = {drawn.pick(*TITLES.get(key, (key,))): values for key, values in columns.items()}
    count = len(columns["label"])
    more = {"loss": drawn.rng.random(count).tolist(), "comment": ['some, text; "q"'] * count, "empty": [""] * count}
    more |= {"note": ["line\nbreak" if i % 7 == 0 else "" for i in range(count)], "Unnamed: 0": [*range(count)]}
    made |= {key: values for key, values in more.items() if drawn.sometimes(0.15)}
    keys = list(made)
    drawn.rng.shuffle(keys)
    return {key: made[key] for key in keys}


def write_csv(drawn: Drawn, path: Path, columns: dict[str, list]) -> Path:
    mark = drawn.pick(",", ";", "\t", "|")
    comma, end = mark != "," and drawn.sometimes(0.4), drawn.pick("\n", "\r\n")
    show = lambda v: str(v).replace(".", ",") if comma and isinstance(v, float) else v  # noqa: E731
    text = io.StringIO()
    text.write(f"sep={mark}{end}" if drawn.sometimes(0.1) else "")
    quoting = drawn.pick(csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)
    writer = csv.writer(text, delimiter=mark, quoting=quoting, lineterminator=end)
    writer.writerow(list(columns))
    writer.writerows([show(v) for v in row] for row in zip(*columns.values()))
    whole = text.getvalue().removesuffix(end) + drawn.pick("", end, end + end)
    if drawn.sometimes(0.15) and not whole.startswith("sep="):
        whole = drawn.pick("# made by eval.py", "% seed 3, lr 0.1", "#TYPE System.Object") + end + whole
    raw = whole.encode(drawn.pick("utf-8", "utf-8-sig", "utf-16", "utf-32"))
    return packed(drawn, path, drawn.pick(".csv", ".CSV", ".txt", ".Tsv", ".tab"), raw)


def write_json(drawn: Drawn, path: Path, columns: dict[str, list]) -> Path:
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    plain = drawn.sometimes(0.5)
    if drawn.sometimes(0.5):
        lines = "\n".join(json.dumps(row, ensure_ascii=plain) for row in rows) + drawn.pick("", "\n")
        return packed(drawn, path, ".jsonl", lines.encode())
    whole = rows if drawn.sometimes(0.5) or "seed" in map(str.lower, columns) else columns
    return packed(drawn, path, drawn.pick(".json", ".JSON"), json.dumps(whole, ensure_ascii=plain).encode())


def packed(drawn: Drawn, path: Path, ending: str, raw: bytes) -> Path:
    zipped = drawn.sometimes(0.15)
    path = path.with_name(f"{path.name}{ending}{'.gz' if zipped else ''}")
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    return path


def write_parquet(drawn: Drawn, path: Path, columns: dict[str, list]) -> Path:
    path = path.with_name(path.name + drawn.pick(".parquet", ".Parquet", ".pq"))
    pq.write_table(as_arrow(drawn, columns), path, row_group_size=int(drawn.rng.integers(5, 100)))
    return path


WRITERS = (write_csv, write_json, write_parquet)


def as_arrow(drawn: Drawn, columns: dict[str, list]) -> pa.Table:
    return pa.table({key: arrow_column(drawn, values) for key, values in columns.items()})


def arrow_column(drawn: Drawn, values: list) -> pa.Array:
    if isinstance(values[0], str):
        text = pa.array(values, drawn.pick(pa.string(), pa.large_string(), pa.string_view(), pa.binary()))
        return text.dictionary_encode() if text.type in (pa.string(), pa.large_string()) else text
    if isinstance(values[0], float):
        numbers = pa.array(values, drawn.pick(pa.float32(), pa.float64()))
        return numbers.dictionary_encode() if drawn.sometimes(0.2) else numbers
    signed = [k for k in WHOLE if not pa.types.is_unsigned_integer(k)] if min(values) < 0 else [*WHOLE]
    kind = drawn.pick(*[k for k in signed if max(abs(v) for v in values) < 2 ** WHOLE[k]])
    if pa.types.is_decimal(kind):
        return pa.array([decimal.Decimal(v) for v in values], kind)
    return pa.array(np.array(values, kind.to_pandas_dtype()))


def as_frame(drawn: Drawn, columns: dict[str, list]) -> Any:
    how = drawn.pick("arrow", "pandas", "pandas", "polars")
    if how == "arrow":
        return as_arrow(drawn, columns)
    if how == "polars":
        polars = pytest.importorskip("polars")
        frame = polars.DataFrame(columns)
        text = {key: sorted({*values}) for key, values in columns.items() if isinstance(values[0], str)}
        kinds = {key: drawn.pick(polars.Categorical, polars.Enum(values)) for key, values in text.items()}
        return frame.with_columns(polars.col(key).cast(kind) for key, kind in kinds.items())
    frame = pytest.importorskip("pandas").DataFrame(columns)
    frame = frame.astype({key: "category" for key in columns if drawn.sometimes(0.3)})
    return frame.convert_dtypes() if drawn.sometimes(0.3) else frame.iloc[np.arange(len(frame))]


def tables(drawn: Drawn, folder: Path, arm: str) -> Any:
    """One table with a column seed; a file per seed, in a list or a folder; or shards of different types."""
    runs = [run_of(drawn, arm, seed, drawn.order()) | {"seed": [seed] * COUNT} for seed in range(SEEDS)]
    how = drawn.pick("stacked", "frame", "list", "folder", *(["shards"] if drawn.ids is not None else []))
    write = drawn.pick(*WRITERS)
    if how in ("stacked", "frame"):
        whole = {key: [value for run in runs for value in run[key]] for key in runs[0]}
        mixed = drawn.rng.permutation(SEEDS * COUNT) if drawn.ids is not None else np.arange(SEEDS * COUNT)
        columns = titled(drawn, {key: [values[i] for i in mixed] for key, values in whole.items()})
        return as_frame(drawn, columns) if how == "frame" else write(drawn, folder / arm, columns)
    if how == "shards":
        for seed, run in enumerate(runs):
            for part, rows in enumerate((slice(0, 25), slice(25, None))):
                columns = titled(drawn, {key: values[rows] for key, values in run.items()})
                drawn.pick(*WRITERS)(drawn, folder / f"part-{seed}-{part}", columns)
        return folder
    keep = {*runs[0]} if drawn.sometimes(0.5) else {*runs[0]} - {"seed"}
    cut = [{key: values for key, values in run.items() if key in keep} for run in runs]
    files = [write(drawn, folder / f"{arm}-seed{seed}", titled(drawn, run)) for seed, run in enumerate(cut)]
    return folder if how == "folder" else files


def wide(drawn: Drawn, folder: Path, arm: str) -> Path:
    """One column of predictions per seed."""
    order, prefix = drawn.order(), drawn.pick("pred_", "pred_seed", "y_pred_", "prediction ")
    preds = {f"{prefix}{s}": drawn.shown(PROBS[arm][s][order].argmax(axis=1)) for s in range(SEEDS)}
    return drawn.pick(write_csv, write_parquet)(drawn, folder / arm, examples(drawn, order) | preds)


def scores(drawn: Drawn, folder: Path, arm: str) -> list[Path]:
    """One column of probabilities per class, one file per seed."""
    forms = ["p_{}", "prob_{}", "p {}", "score.{}", "p({})", "{}_score", "pred_{}", "out: {}"]
    files, form = [], drawn.pick(*(forms[:4] if drawn.kind == "blanks" else forms))
    unit = drawn.pick(1, 1, 100)
    for seed in range(SEEDS):
        order = drawn.order()
        shares = unit * PROBS[arm][seed][order]
        parts = {form.format(name): shares[:, k].tolist() for k, name in enumerate(drawn.names)}
        columns = examples(drawn, order) | {key: parts[key] for key in drawn.rng.permutation([*parts])}
        files.append(drawn.pick(write_csv, write_parquet)(drawn, folder / f"{arm}-seed{seed}", columns))
    return files


def nested(drawn: Drawn, folder: Path, arm: str) -> list[Path]:
    """Lists of label and score, as pipelines give them, or mappings of label to score, one file per seed."""
    files, ranked = [], drawn.sometimes(0.5)
    for seed in range(SEEDS):
        order = drawn.order()
        rows = [dict(zip(map(str, drawn.names), p.tolist())) for p in PROBS[arm][seed][order]]
        pairs = [[{"label": k, "score": v} for k, v in sorted(row.items(), key=lambda kv: -kv[1])] for row in rows]
        columns = examples(drawn, order) | ({"predictions": pairs} if ranked else {"probs": rows})
        files.append(folder / f"{arm}-seed{seed}.json")
        files[-1].write_text(json.dumps([dict(zip(columns, row)) for row in zip(*columns.values())]))
    return files


def arrays(drawn: Drawn, folder: Path, arm: str) -> Any:
    """Predictions, probabilities or logits of all seeds: npz, arrays, tensors or lists."""
    order, names = drawn.order(), np.array(drawn.names)
    probs = PROBS[arm][:, order]
    kind = drawn.pick(np.int32, np.int64, np.uint32, np.float64) if names.dtype.kind == "i" else names.dtype
    made: dict[str, Any] = {key: np.array(values) for key, values in examples(drawn, order).items()}
    made[drawn.pick("labels", "y_true", "label_ids")] = made.pop("label").astype(kind)
    dense = names.dtype.kind == "U" or drawn.kind == "from 0"
    how = drawn.pick("pred", "probs", "logits", "scores") if dense else "pred"
    if how == "pred":
        made[drawn.pick("pred", "predictions")] = names[probs.argmax(axis=2)].astype(kind)
        made["p_true"] = np.take_along_axis(probs, LABELS[order][None, :, None], axis=2)[:, :, 0]
        made["p_max"] = probs.max(axis=2)
    else:
        made[how] = np.log(probs + 1e-12) if how == "logits" else probs
        made |= {"classes": names} if names.dtype.kind == "U" else {}
    form = drawn.pick("npz", "npz", "arrays", "lists", "tensors")
    if form == "npz":
        drawn.pick(np.savez, np.savez_compressed)(folder / f"{arm}.npz", **made)
        return folder / f"{arm}.npz"
    if form == "tensors":
        torch = pytest.importorskip("torch")
        return {
            k: torch.tensor(v.astype(v.dtype.newbyteorder("="))) if v.dtype.kind in "if" else v for k, v in made.items()
        }
    return {key: values.tolist() for key, values in made.items()} if form == "lists" else made


LAYOUTS = (tables, tables, wide, scores, nested, arrays)
