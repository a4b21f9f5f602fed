"""Columns of a score per class, however they are called and rounded."""

import numpy as np
import pyarrow as pa
import pytest

from dropmix.audit import AuditError, audit_predictions
from dropmix.audit.inputs.sources import read

BLANKS = [" cat", "dog ", "mid  dle", "fox"]
LABEL = np.arange(80) % 3  # the last class is only predicted


def softmax(rng, k, count=80, right=2.0):
    logits = rng.normal(size=(count, k)) + right * np.eye(k)[np.arange(count) % min(k, 3)]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("form", ["out: {}", "out_{}", "{} out", "xx{}yy", "{} (%)", "net/{}", "p_{}", "{}_score"])
def test_blanks_of_classes_stand_beside_any_text(rng, form):
    probs = softmax(rng, 4).round(6)
    names = np.array(BLANKS)
    columns = {form.format(name): probs[:, i] for i, name in enumerate(BLANKS)}
    (arm,) = read(pa.table({"label": names[LABEL], **columns}), "x")
    assert {*names[LABEL]} <= {*arm.class_names}
    said = [arm.class_names[c] for c in arm.pred[0]]
    assert said == [names[c] if c < 3 else "fox" for c in probs.argmax(axis=1)]


@pytest.mark.parametrize(
    "form", ["prob_class_{}", "Probability of {}", "score for {}", "p_of_{}_by_net", "softmax_out_{}"]
)
def test_words_between_a_score_and_its_class_are_no_part_of_it(rng, form):
    probs, names = softmax(rng, 3).round(6), np.array(["cat", "dog", "fox"])
    columns = {form.format(name): probs[:, i] for i, name in enumerate(names)}
    (arm,) = read(pa.table({"label": names[LABEL], **columns}), "x")
    assert arm.class_names == tuple(names)
    np.testing.assert_array_equal(arm.pred[0], probs.argmax(axis=1))


@pytest.mark.parametrize(("k", "digits"), [(3, 1), (10, 2), (20, 2), (100, 3)])
@pytest.mark.parametrize("whole", [1, 100])
def test_rounded_probabilities_need_not_sum_to_one(rng, k, digits, whole):
    probs = softmax(rng, k, count=400).round(digits)
    assert abs(probs.sum(axis=1) - 1).max() > 0.02 or digits == 3
    labels = np.arange(400) % min(k, 3)
    (arm,) = read({"labels": labels, "probs": whole * probs}, "x")
    assert arm.p_max.max() <= 1
    names = [f"c{i}" for i in range(k)]
    (table,) = read(pa.table({"label": np.array(names)[labels], **dict(zip(names, (whole * probs).T))}), "x")
    assert [table.class_names[c] for c in table.pred[0]] == [names[c] for c in probs.argmax(axis=1)]


@pytest.mark.parametrize("digits", [1, 2, 3, 6])
def test_sigmoid_scores_are_refused_however_rounded(rng, digits):
    scores = (1 / (1 + np.exp(-rng.normal(size=(200, 5)) * 2))).round(digits)
    with pytest.raises(AuditError, match="sum to 1 in every row"):
        read({"labels": np.arange(200) % 5, "probs": scores}, "x")


@pytest.mark.parametrize("order", ["softmax first", "sigmoid first", "one seed"])
def test_outputs_of_two_kinds_beside_one_hot_labels_are_told(rng, tmp_path, order):
    soft = np.stack([softmax(rng, 3) for _ in range(2)])
    sigmoid = 1 / (1 + np.exp(2 - 4 * soft))
    truth = np.eye(3, dtype=int)[LABEL]
    base, treated = {
        "softmax first": (soft, sigmoid),
        "sigmoid first": (sigmoid, soft),
        "one seed": (soft, [soft[0], sigmoid[1]]),
    }[order]
    with pytest.raises(AuditError, match=r"expected outputs of one kind, .*Save softmax or sigmoid outputs of all\."):
        audit_predictions(base, {"mixup": treated}, labels=truth, refits=0)
    assert audit_predictions(
        soft, {"mixup": soft[::-1] ** 2 / (soft[::-1] ** 2).sum(axis=2, keepdims=True)}, labels=truth, refits=0
    )
