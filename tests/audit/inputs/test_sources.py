"""Every source gives the same audit, and every fault of a source is one clear line."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from dropmix.audit import AuditError, audit_predictions
from dropmix.audit.inputs.sources import read


@pytest.fixture
def dense(rng, draw):
    """Two arms of two seeds as mappings, 4 classes of 10."""
    labels = np.repeat(np.arange(4), 10)
    ids = rng.permutation(40)
    made = {}
    for arm, right in (("vanilla", 0.6), ("mixup", 0.7)):
        pred = draw(rng, labels, 2, right, 4)
        made[arm] = {"labels": labels, "pred": pred, "example_id": ids, "p_true": rng.random((2, 40)), "arm": arm}
    return made


def long(arms):
    """The same as one long table, in any order of rows."""
    parts = []
    for name, a in arms.items():
        seeds, n = a["pred"].shape
        parts.append(
            pa.table(
                {
                    "arm": [name] * (seeds * n),
                    "seed": np.repeat(np.arange(seeds), n),
                    "example_id": np.tile(a["example_id"], seeds),
                    "label": np.tile(a["labels"], seeds).astype(np.int32),
                    "pred": a["pred"].reshape(-1).astype(np.int32),
                    "p_true": a["p_true"].reshape(-1),
                }
            )
        )
    table = pa.concat_tables(parts)
    return table.take(np.random.default_rng(1).permutation(len(table)))


def same(one, other):
    assert other.summary == pytest.approx(one.summary)
    np.testing.assert_allclose(other.classes["confidence_treated"], one.classes["confidence_treated"], rtol=1e-6)


class Tensor:
    """What a torch tensor offers, without torch."""

    def __init__(self, array, dtype="torch.int64"):
        self.array, self.dtype = np.asarray(array), dtype

    def detach(self):
        return self

    cpu = detach

    def float(self):
        return Tensor(self.array.astype(np.float32), "torch.float32")

    def __array__(self, dtype=None, copy=None):
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array


class Frame:
    """What a pandas frame offers, without pandas."""

    def __init__(self, table):
        self.held = {c: table[c].to_numpy() for c in table.column_names}
        self.columns = list(self.held)

    def __getitem__(self, key):
        return self.held[key]


@pytest.mark.parametrize(
    "kind", ["parquet", "csv", "npz", "frame", "arrow", "tensors", "two_files", "one_table", "lists"]
)
def test_every_source_gives_the_same_audit(dense, tmp_path, kind):
    base, treated = dense["vanilla"], dense["mixup"]
    expected = audit_predictions(base, treated, refits=0)
    tables = {name: long({name: a}) for name, a in dense.items()}
    if kind == "parquet":
        for name, table in tables.items():
            pq.write_table(table, tmp_path / f"{name}.parquet")
        got = audit_predictions(tmp_path / "vanilla.parquet", str(tmp_path / "mixup.parquet"), refits=0)
        assert got.only.arm == "mixup"
    elif kind == "csv":
        for name, table in tables.items():
            pa.csv.write_csv(table, tmp_path / f"{name}.csv")
        got = audit_predictions(tmp_path / "vanilla.csv", tmp_path / "mixup.csv", refits=0)
    elif kind == "npz":
        for name, a in dense.items():
            np.savez(tmp_path / f"{name}.npz", **{k: v for k, v in a.items() if k != "arm"})
        got = audit_predictions(tmp_path / "vanilla.npz", tmp_path / "mixup.npz", refits=0)
        assert (got.only.baseline, got.only.arm) == ("vanilla", "mixup")
    elif kind == "frame":
        got = audit_predictions(Frame(tables["vanilla"]), Frame(tables["mixup"]), refits=0)
    elif kind == "arrow":
        got = audit_predictions(tables["vanilla"], tables["mixup"], refits=0)
    elif kind == "tensors":
        kinds = {"p_true": "torch.bfloat16"}
        tensors = [
            {k: v if k == "arm" else Tensor(v, kinds.get(k, "torch.int64")) for k, v in a.items()}
            for a in (base, treated)
        ]
        got = audit_predictions(*tensors, refits=0)
    elif kind == "two_files":
        for seed in range(2):
            table = tables["mixup"]
            pq.write_table(table.filter(pa.compute.equal(table["seed"], seed)), tmp_path / f"{seed}.parquet")
        got = audit_predictions(base, [tmp_path / "1.parquet", tmp_path / "0.parquet"], refits=0)
    elif kind == "one_table":
        got = audit_predictions(long(dense), refits=0)
    else:
        plain = [{k: v.tolist() if hasattr(v, "tolist") else v for k, v in a.items()} for a in (base, treated)]
        got = audit_predictions(*plain, refits=0)
    same(expected, got)


def test_text_ids_and_class_names(dense, tmp_path):
    names = np.array(["cat", "dog", "eel", "fox"], dtype=object)
    expected = audit_predictions(dense["vanilla"], dense["mixup"], classes=names.tolist(), refits=0)
    table = long(dense)
    for key in ("label", "pred"):
        table = table.set_column(table.column_names.index(key), key, [names[table[key].to_numpy()]])
    text = [f"img_{i:03d}.png" for i in table["example_id"].to_numpy()]
    table = table.set_column(table.column_names.index("example_id"), "example_id", [text])
    pa.csv.write_csv(table, tmp_path / "all.csv")
    got = audit_predictions(tmp_path / "all.csv", refits=0)
    same(expected, got)
    assert got.classes["class"] == names.tolist()


def test_named_arms(dense):
    parts = [
        {**dense["mixup"], "pred": dense["mixup"]["pred"][s], "p_true": dense["mixup"]["p_true"][s]} for s in (0, 1)
    ]
    audit = audit_predictions(dense["vanilla"], {"A": parts, "B": dense["vanilla"]}, refits=0)
    assert [c.arm for c in audit.comparisons] == ["A", "B"]
    assert audit.comparisons[0].summary["seeds_treated"] == 2
    assert audit.comparisons[1].summary["n_tied"] == 4


@pytest.mark.parametrize("wrap", [np.asarray, pd.Series, pa.array, lambda pred: np.eye(4)[pred] * 0.8 + 0.05])
def test_bare_predictions_beside_the_labels(rng, wrap):
    labels = np.repeat(np.arange(4), 30)
    seeds = [np.where(rng.random(120) < 0.8, labels, (labels + 1) % 4) for _ in range(4)]
    arms = {"vanilla": [wrap(p) for p in seeds[:2]], "mixup": [wrap(p) for p in seeds[2:]]}
    summary = audit_predictions(arms, labels=labels, refits=0).summary
    assert summary["seeds_treated"] == 2
    assert summary["accuracy_baseline"] == pytest.approx(np.mean([(p == labels).mean() for p in seeds[:2]]))
    assert summary["accuracy_treated"] == pytest.approx(np.mean([(p == labels).mean() for p in seeds[2:]]))
    with pytest.raises(AuditError, match="Give the true classes"):
        audit_predictions(wrap(seeds[0]), wrap(seeds[1]), refits=0)


def test_topk(rng):
    labels = np.repeat(np.arange(4), 10)
    probs = rng.dirichlet(np.ones(4), size=(2, 40))
    ranked = np.argsort(-probs, axis=2)
    one = {"labels": labels, "pred": ranked[:, :, 0], "topk": ranked[:, :, :2]}
    other = {"labels": labels, "pred": ranked[::-1, :, 0], "topk": ranked[::-1, :, :3]}
    audit = audit_predictions(one, other, topk=2, refits=0)
    right = (ranked[:, :, :2] == labels[None, :, None]).any(axis=2)
    assert audit.summary["accuracy_baseline"] == pytest.approx(right.mean())
    with pytest.raises(AuditError, match="at least 3 ranked classes"):
        audit_predictions(one, other, topk=3, refits=0)


def test_topk_column(tmp_path):
    table = {"label": [0, 1, 2], "pred": [0, 0, 0], "topk": [[0, 1], [0, 1], [0, 1]]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    pa.csv.write_csv(pa.table({**table, "topk": ["0;1"] * 3}), tmp_path / "b.csv")
    audit = audit_predictions(tmp_path / "a.parquet", tmp_path / "b.csv", topk=2, refits=0)
    assert audit.classes["recall_baseline"].tolist() == audit.classes["recall_treated"].tolist() == [1, 1, 0]


def test_no_ids_warns(dense):
    bare = [{k: v for k, v in a.items() if k != "example_id"} for a in dense.values()]
    audit = audit_predictions(*bare, refits=0)
    assert any("matched by position" in note for note in audit.only.notes)


def test_intersect_keeps_what_both_hold(dense):
    cut = {k: v[5:] if k in ("labels", "example_id") else v for k, v in dense["mixup"].items()}
    cut |= {"pred": dense["mixup"]["pred"][:, 5:], "p_true": dense["mixup"]["p_true"][:, 5:]}
    with pytest.raises(AuditError, match="5 missing"):
        audit_predictions(dense["vanilla"], cut, refits=0)
    audit = audit_predictions(dense["vanilla"], cut, intersect=True, refits=0)
    assert audit.summary["n_examples"] == 35
    assert any("35 examples" in note for note in audit.only.notes)


def test_seeds_of_one_arm_must_agree(dense):
    table = long({"vanilla": dense["vanilla"]})
    with pytest.raises(AuditError, match="1 missing"):
        read(table.slice(1), "x")


def test_imports_no_torch_and_no_pandas():
    code = "import sys, dropmix, dropmix.audit; print({'torch', 'pandas', 'torchvision'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_every_kind_of_text_that_frames_hand_over(dense, kind):
    table = long({"vanilla": dense["vanilla"]})
    text = pa.array([f"i{i}" for i in table["example_id"].to_numpy()])
    text = text.dictionary_encode() if pa.types.is_dictionary(kind) else text.cast(kind)
    table = table.set_column(table.column_names.index("example_id"), "example_id", text)
    codes = table["label"].combine_chunks().dictionary_encode()
    table = table.set_column(table.column_names.index("label"), "label", codes)
    (arm,) = read(table, "x")
    assert arm.example_id is not None
    assert arm.example_id[:2].tolist() == ["i0", "i1"]
    assert arm.pred.shape == (2, 40)


def test_rows_of_several_runs_in_any_order(rng, tmp_path):
    """Runs one after the other, and shuffled; the arm as text, as a dictionary, and as one with unused entries."""
    n, seeds = 30, [4, 1, 3]
    labels = np.arange(n) % 3
    columns = {
        "arm": np.repeat(["vanilla", "mixup"], n * 3),
        "seed": np.tile(np.repeat(seeds, n), 2),
        "example_id": np.tile(np.arange(n), 6),
        "label": np.tile(labels, 6),
        "pred": rng.integers(0, 3, 6 * n),
    }
    order = rng.permutation(6 * n)
    unused = pa.DictionaryArray.from_arrays(
        (columns["arm"] == "mixup").astype(np.int32), ["vanilla", "mixup", "cutmix"]
    )
    tables = {
        "together": pa.table(columns),
        "shuffled": pa.table({key: values[order] for key, values in columns.items()}),
        "coded": pa.table(columns | {"arm": pa.array(columns["arm"]).dictionary_encode()}),
        "unused": pa.table(columns | {"arm": unused}),
    }
    found = {}
    for name, table in tables.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
        found[name] = read(tmp_path / f"{name}.parquet", "x")
    for arms in found.values():
        assert sorted(a.arm for a in arms) == ["mixup", "vanilla"]
        for arm in arms:
            assert arm.seeds.tolist() == sorted(seeds)
            rows = (columns["arm"] == arm.arm) & (columns["seed"] == 3)
            assert arm.pred[1].tolist() == columns["pred"][rows].tolist()
