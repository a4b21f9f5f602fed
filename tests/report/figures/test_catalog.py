import dataclasses
import io
import itertools
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.patches import StepPatch
from PIL import Image

from dropmix.report.figures import catalog as fig
from dropmix.report.figures.label_curves import label_curves
from dropmix.report.figures.style import DEGRADED, rendered, settings
from dropmix.report.flows import top_flows


def one(audit, i=0):
    return audit.comparisons[i]


def with_classes(comparison, **columns):
    return dataclasses.replace(comparison, classes=comparison.classes | columns)


@pytest.fixture(scope="module")
def ten(make_audit):
    return make_audit(10, ("mixup", "mixup r=0.2", "mixup r=0.4"), inference=True, floor=True, seed=3)


@pytest.fixture(scope="module")
def drawn(ten):
    """The rate curves and every figure of the first arm of a small audit, by kind."""
    return {p.kind: p.draw() for p in itertools.takewhile(lambda p: p.arm in (None, 0), fig.plates(ten))}


def test_every_kind_is_drawn_and_nothing_is_cut_off(drawn):
    assert len(drawn) >= 7
    for kind, figure in drawn.items():
        with settings():
            box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert box.x0 >= 0, kind
        assert box.y0 >= 0, kind
        assert box.x1 <= width, kind
        assert box.y1 <= height, kind


def test_bars_are_the_sorted_changes_and_the_degraded_are_hatched(ten):
    comparison = one(ten)
    axes = fig.recall_changes(comparison).axes[0]
    bars = sorted(axes.patches, key=lambda bar: bar.get_x())
    expected = 100 * np.sort(comparison.classes["recall_change"])[::-1]
    np.testing.assert_allclose([bar.get_height() for bar in bars], expected)
    order = np.argsort(-comparison.classes["recall_change"], kind="stable")
    states = [comparison.classes["status"][i] for i in order]
    assert [bar.get_hatch() is not None for bar in bars] == [s == "degraded" for s in states]
    hexes = [matplotlib.colors.to_hex(bar.get_facecolor()).upper() for bar in bars]
    assert [h == DEGRADED for h in hexes] == [s == "degraded" for s in states]
    assert [t.get_text() for t in axes.get_xticklabels()] == [comparison.classes["class"][i] for i in order]


def test_intervals_and_floor_band_appear_when_given(ten):
    bare = with_classes(one(ten), se_fixed_test=np.full(10, np.nan))
    texts = [t.get_text() for t in fig.recall_changes(bare).legends[0].get_texts()]
    assert not any("interval" in t or "changed equally" in t for t in texts)
    order = np.argsort(np.argsort(-one(ten).classes["recall_change"], kind="stable"))
    ends = {"low": np.linspace(0.01, -0.03, 10), "high": np.linspace(0.05, 0.0, 10)}
    banded = with_classes(one(ten), **{f"floor_change_{key}": end[order] for key, end in ends.items()})
    figure = fig.recall_changes(banded)
    texts = [t.get_text() for t in figure.legends[0].get_texts()]
    assert any("interval" in t for t in texts)
    assert any("changed equally" in t for t in texts)
    (band,) = [p for p in figure.axes[0].patches if isinstance(p, StepPatch)]
    values, _, baseline = band.get_data()
    np.testing.assert_allclose(values, 100 * ends["high"])
    np.testing.assert_allclose(np.asarray(baseline), 100 * ends["low"])


def test_the_extremes_are_those_with_the_largest_changes(make_audit):
    audit = make_audit(100, confusion=False, confidence=False)
    plain, dropped = audit.comparisons
    left, right = fig.best_and_worst(plain, dropped, top=4).axes
    order = np.argsort(plain.classes["recall_change"], kind="stable")
    names = np.array(plain.classes["class"])
    change = dict(zip(names, plain.classes["recall_change"]))
    shown = [t.get_text() for t in right.get_yticklabels()]
    assert len(shown) == 4
    np.testing.assert_allclose([change[n] for n in shown], plain.classes["recall_change"][order[:4]])
    assert all(change[t.get_text()] > 0 for t in left.get_yticklabels())
    marks = [line for line in right.lines if line.get_linestyle() == "None"]
    worst = list(names).index(shown[0])
    expected = [c.classes[k][worst] for c, k in ((plain, "recall_baseline"), (plain, "recall_treated"))]
    expected.append(dropped.classes["recall_treated"][worst])
    np.testing.assert_allclose([line.get_xdata()[0] for line in marks], 100 * np.array(expected))


def test_rate_curves_pass_through_the_arms(ten):
    accuracy, count, change = fig.rate_curves(ten).axes
    curve = next(line for line in accuracy.lines if len(line.get_xdata()) == 3)
    np.testing.assert_allclose(curve.get_xdata(), [0, 0.2, 0.4])
    np.testing.assert_allclose(curve.get_ydata(), [100 * c.summary["accuracy_treated"] for c in ten.comparisons])
    np.testing.assert_allclose(count.lines[0].get_ydata(), [c.summary["n_degraded"] for c in ten.comparisons])
    assert len(change.lines) == 1


def test_rate_curves_need_three_rates(make_audit):
    audit = make_audit(3, ("mixup", "mixup r=0.4"), confusion=False)
    assert fig.rate_groups(audit) == []
    with pytest.raises(ValueError, match="3 or more rates"):
        fig.rate_curves(audit)


def test_top_flows_against_a_loop(make_audit):
    comparison = one(make_audit(12, ("mixup",), seed=2))
    names, matrix = comparison.classes["class"], comparison.confusion_change
    pairs = [(matrix[i, j], names[i], names[j]) for i in range(12) for j in range(12) if i != j]
    expected = sorted((p for p in pairs if p[0] > 0), reverse=True)[:3] + sorted(pairs, reverse=True)[-3:]
    flows = top_flows(comparison, 3)
    assert [(f.change, f.true, f.predicted) for f in flows] == expected
    assert flows[0].share == pytest.approx(flows[0].change / 100)
    assert top_flows(dataclasses.replace(comparison, confusion_change=None)) == []


def test_the_heatmap_leaves_the_callers_matrix_alone(make_audit):
    comparison = one(make_audit(50, ("mixup",), confidence=False))
    before = comparison.confusion_change.copy()
    image = fig.confusion_flow(comparison, top=6).axes[0].images[0]
    assert image.get_array().shape == (6, 6)
    np.testing.assert_array_equal(comparison.confusion_change, before)


def test_figures_without_their_data_say_what_is_missing(make_audit):
    bare = one(make_audit(3, ("mixup",), confusion=False, confidence=False))
    with pytest.raises(ValueError, match="expected class confidences"):
        fig.confidence_against_recall(bare)
    with pytest.raises(ValueError, match="expected a confusion matrix"):
        fig.confusion_flow(bare)


def test_plates_of_a_bare_audit(make_audit):
    audit = make_audit(3, ("mixup",), seeds=1, confusion=False, confidence=False)
    kinds = [p.kind for p in fig.plates(audit)]
    assert {"recall-changes", "best-and-worst", "baseline-against-treated"} <= {*kinds}
    assert {"rate-curves", "confidence-against-recall", "seed-spread", "confusion-flow"}.isdisjoint(kinds)


@pytest.mark.parametrize("names", [["$x^$", r"\frac{", "a\nb\x00", "_hidden", "混合 🐟", "x" * 300]])
def test_any_class_name_can_be_drawn(make_audit, names):
    audit = make_audit(names=names, arms=("mi$x",), seeds=2)
    for plate in fig.plates(audit):
        assert rendered(plate.draw(), "svg").startswith(b"<?xml")


def test_one_class_no_change_and_missing_confidence(make_audit):
    comparison = one(make_audit(1, ("mixup",), seeds=2, confusion=False))
    level = with_classes(
        comparison,
        recall_treated=comparison.classes["recall_baseline"],
        recall_change=np.zeros(1),
        status=["tied"],
        confidence_treated=np.full(1, np.nan),
    )
    audit = dataclasses.replace(make_audit(1, ("mixup",), confusion=False), comparisons=[level])
    plates = {p.kind: p for p in fig.plates(audit)}
    assert "confidence-against-recall" not in plates
    assert "no class is degraded" in [t.get_text() for t in plates["best-and-worst"].draw().axes[1].texts]


def test_many_marks_become_pixels(make_audit):
    comparison = one(make_audit(1000, ("mixup",), confusion=False, confidence=False, inference=True))
    for draw in (fig.recall_changes, fig.seed_spread, fig.baseline_against_treated):
        svg = rendered(draw(comparison), "svg")
        assert b"<image" in svg
        assert len(svg) < 200_000


def test_equal_data_give_equal_files_without_dates(ten, tmp_path):
    written = []
    for name in "ab":
        written.append([p.read_bytes() for p in fig.save(fig.baseline_against_treated(one(ten)), tmp_path / name)])
    assert written[0] == written[1]
    png, pdf, svg = written[0]
    assert Image.open(io.BytesIO(png)).size == (1500, 720)
    assert pdf.startswith(b"%PDF")
    assert b"CreationDate" not in pdf
    assert b"<dc:date>" not in svg


def test_the_callers_matplotlib_is_left_alone(ten):
    before = dict(matplotlib.rcParams)
    figure = fig.recall_changes(one(ten))
    with matplotlib.rc_context({"font.size": 30, "text.parse_math": True}):
        again = fig.recall_changes(one(ten))
    assert dict(matplotlib.rcParams) == before
    sizes = [[t.get_fontsize() for t in f.axes[0].get_xticklabels()] for f in (figure, again)]
    assert sizes[0] == sizes[1]
    code = "import sys, dropmix.report.write; print({'torch', 'matplotlib.pyplot'} & set(sys.modules))"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert seen.strip() == "set()"


def test_arms_are_spelt_as_in_the_text(ten):
    arm = one(ten, 1)
    assert fig.baseline_against_treated(arm).axes[0].get_ylabel() == "recall of Mixup + DropMix, r = 0.2, %"
    texts = [t.get_text() for t in fig.seed_spread(arm).legends[0].get_texts()]
    assert "5 seeds of Mixup + DropMix, r = 0.2" in texts


def test_label_curves_are_lines_of_few_classes_and_bands_of_many():
    strengths = np.linspace(0, 1, 11)
    start = np.linspace(0.2, 1, 300)
    curves = start[:, None] * (1 - strengths)
    few = label_curves(strengths, curves[::3], list(map(str, range(100))))
    assert len(few.axes[0].lines) == 101
    assert not few.axes[0].collections
    many = label_curves(strengths, curves, list(map(str, range(300))))
    assert len(many.axes[0].lines) == 1
    outer, inner = (band.get_paths()[0].vertices for band in many.axes[0].collections)
    for band, share in ((outer, 0.9), (inner, 0.5)):
        heights = band[band[:, 0] == 0, 1]
        assert np.ptp(heights) == pytest.approx(share * np.ptp(start), rel=1e-6)
