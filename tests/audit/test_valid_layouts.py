"""One and the same predictions in random legal layouts give one and the same audit."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.audit import audit_predictions

K, N, SEEDS = 5, 60, 3
NAMES = ["cat", "Dog two", "été", "3", "true"]


def study():
    """Labels, ids, and the probabilities of two arms, (S, N, K)."""
    rng = np.random.default_rng(5)
    labels = np.concatenate([np.arange(4), rng.integers(0, 4, N - 4)])  # the last class is only ever predicted
    probs = {}
    for arm, right in (("vanilla", 2.0), ("mixup", 2.6)):
        logits = rng.normal(size=(SEEDS, N, K)) + right * np.eye(K)[labels]
        exp = np.exp(logits)
        probs[arm] = (exp / exp.sum(axis=2, keepdims=True)).round(6)
    return labels, probs


LABELS, PROBS = study()
IDS = [f"img {i:03d}.jpg" for i in range(N)]
PATIENTS = [f"p{i // 4}" for i in range(N)]


def choose(rng, *options):
    return options[int(rng.integers(len(options)))]


def rows_of(arm, seed, order, kind):
    """One run as columns, in any order of rows: numbers, names or digits."""
    text = kind == "names"
    show = lambda values: [NAMES[v] if text else int(v) for v in values]  # noqa: E731
    p = PROBS[arm][seed][order]
    return {
        "id": [IDS[i] for i in order],
        "label": show(LABELS[order]),
        "pred": show(p.argmax(axis=1)),
        "p_true": p[np.arange(len(order)), LABELS[order]].tolist(),
        "p_max": p.max(axis=1).tolist(),
        "patient": [PATIENTS[i] for i in order],
    }


TITLES = {
    "id": ("id", "example_id", "file_name", "Image"),
    "label": ("label", "y_true", "Target", "true label"),
    "pred": ("pred", "y_pred", "Prediction", "predicted_class"),
    "p_true": ("p_true", "P_TRUE"),
    "p_max": ("p_max", "P_max"),
    "patient": ("patient",),
}


def titled(rng, columns):
    """The same columns under other usual names, in another order, among others that nobody needs."""
    made = {choose(rng, *TITLES.get(key, (key,))): value for key, value in columns.items()}
    if rng.random() < 0.5:
        made["loss"] = rng.random(len(columns["pred"])).tolist()
    keys = list(made)
    rng.shuffle(keys)
    return {key: made[key] for key in keys}


def write_csv(rng, path, columns):
    mark = choose(rng, ",", ";", "\t", "|")
    comma = mark != "," and rng.random() < 0.5
    show = lambda v: str(v).replace(".", ",") if comma and isinstance(v, float) else str(v)  # noqa: E731
    quote = rng.random() < 0.5
    head = list(columns)
    lines = [mark.join(head)]
    for row in zip(*columns.values()):
        lines.append(mark.join(f'"{show(v)}"' if quote and isinstance(v, str) else show(v) for v in row))
    end = choose(rng, "\n", "\r\n")
    text = end.join(lines) + (end if rng.random() < 0.7 else "") + (end if rng.random() < 0.3 else "")
    encoding = choose(rng, "utf-8", "utf-8-sig", "utf-16")
    path = path.with_suffix(choose(rng, ".csv", ".CSV", ".txt", ".Tsv"))
    path.write_bytes(text.encode(encoding))
    return path


def write_parquet(rng, path, columns):
    whole = choose(rng, pa.int8(), pa.int32(), pa.int64(), pa.uint16(), pa.float64())
    text = choose(rng, pa.string(), pa.large_string())
    made = {}
    for key, values in columns.items():
        if isinstance(values[0], str):
            made[key] = pa.array(values, text)
            made[key] = made[key].dictionary_encode() if rng.random() < 0.5 else made[key]
        elif isinstance(values[0], int):
            made[key] = pa.array(values, pa.int64()).cast(whole if key not in ("seed",) else pa.int64())
        else:
            made[key] = pa.array(values, choose(rng, pa.float32(), pa.float64()))
    path = path.with_suffix(choose(rng, ".parquet", ".Parquet", ".pq"))
    pq.write_table(pa.table(made), path, row_group_size=int(rng.integers(5, 100)))
    return path


def write_json(rng, path, columns):
    path = path.with_suffix(".json")
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    path.write_text(json.dumps(rows, indent=choose(rng, None, 1)))
    return path


def table_source(rng, folder, arm, kind):
    """An arm as tables: one with a column seed, one per seed in a list or a folder, or shards of examples."""
    folder.mkdir()
    write = choose(rng, write_csv, write_parquet, write_json)
    runs = []
    for seed in range(SEEDS):
        columns = rows_of(arm, seed, rng.permutation(N), kind)
        runs.append(columns | {"seed": [seed] * N})
    how = choose(rng, "stacked", "per seed", "folder", "shards")
    if how == "stacked":
        whole = {key: [value for run in runs for value in run[key]] for key in runs[0]}
        order = rng.permutation(SEEDS * N) if rng.random() < 0.5 else np.arange(SEEDS * N)
        return write(rng, folder / arm, titled(rng, {key: [v[i] for i in order] for key, v in whole.items()}))
    if how == "shards":
        parts = []
        for i, run in enumerate(runs):
            for j, keep in enumerate((slice(0, 25), slice(25, None))):
                parts.append(write(rng, folder / f"part-{i}-{j}", titled(rng, {k: v[keep] for k, v in run.items()})))
        return folder
    named = rng.random() < 0.5
    files = []
    for seed, run in enumerate(runs):
        columns = run if named else {k: v for k, v in run.items() if k != "seed"}
        files.append(write(rng, folder / f"{arm}-seed{seed}", titled(rng, columns)))
    return folder if how == "folder" else files


def array_source(rng, folder, arm, kind):
    """An arm as arrays: predictions, probabilities, logits; in memory or npz; one file per seed or all together."""
    order = rng.permutation(N)
    probs = PROBS[arm][:, order]
    show = np.array(NAMES, dtype=choose(rng, "U", object)) if kind == "names" else np.arange(K)
    whole = choose(rng, np.int8, np.int64, np.uint16, np.float32) if kind != "names" else show.dtype
    made = {choose(rng, "labels", "y_true", "targets"): show[LABELS[order]].astype(whole)}
    made["example_id"] = np.array(IDS)[order]
    made["patient"] = np.array(PATIENTS)[order]
    how = choose(rng, "pred", "probs", "logits")
    if kind == "names":
        made["classes"] = np.array(NAMES)
    if how == "pred":
        made[choose(rng, "pred", "y_pred")] = show[probs.argmax(axis=2)].astype(whole)
        made["p_true"] = np.take_along_axis(probs, LABELS[order][None, :, None], axis=2)[:, :, 0]
        made["p_max"] = probs.max(axis=2)
    else:
        made[how] = probs if how == "probs" else np.log(probs)
    if kind != "names" and rng.random() < 0.3:
        return {k: v.tolist() if k != "logits" else v for k, v in made.items()}
    if rng.random() < 0.5:
        return made
    folder.mkdir()
    made = {k: v.astype("U") if v.dtype == object else v for k, v in made.items()}
    save = choose(rng, np.savez, np.savez_compressed)
    save(folder / f"{arm}.npz", **made)
    return folder / f"{arm}.npz"


@pytest.fixture(scope="module")
def expected():
    arms = [{"labels": LABELS, "probs": PROBS[arm], "example_id": np.array(IDS)} for arm in ("vanilla", "mixup")]
    return audit_predictions(*arms, refits=0)


@pytest.mark.parametrize("case", range(60))
def test_every_layout_gives_the_same_audit(tmp_path, expected, case):
    rng = np.random.default_rng([7, case])
    kind = choose(rng, "numbers", "names")
    sources = []
    for arm in ("vanilla", "mixup"):
        make = choose(rng, table_source, array_source)
        sources.append(make(rng, tmp_path / arm, arm, kind))
    found = audit_predictions(sources[0], {"mixup": sources[1]}, group="patient", refits=0)
    for key in ("n_examples", "seeds_baseline", "seeds_treated", "n_degraded", "n_improved"):
        assert found.summary[key] == expected.summary[key], key
    for key in ("accuracy_baseline", "accuracy_treated"):
        assert found.summary[key] == pytest.approx(expected.summary[key], abs=1e-5), key
    title = (lambda c: c) if kind == "numbers" else (lambda c: str(NAMES.index(c)))
    change = dict(zip([title(c) for c in found.classes["class"]], found.classes["recall_change"]))
    same = dict(zip(expected.classes["class"], expected.classes["recall_change"]))
    assert change == pytest.approx(same)
