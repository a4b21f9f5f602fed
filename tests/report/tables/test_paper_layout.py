import dataclasses

import numpy as np
import pytest

from dropmix.paper.printed import printed_records, printed_table
from dropmix.report.tables.paper_layout import Measures, Row, paper_table
from dropmix.report.tables.render import to_csv


def test_an_audit_with_the_papers_numbers_gives_the_papers_table(make_audit):
    """Table 1 goes into an audit's summaries as fractions and comes out as printed."""
    records = printed_records(1)
    networks = list(dict.fromkeys(r["network"] for r in records))
    arms = [f"{m}{rate}" for m in ("mixup", "cutmix", "puzzlemix") for rate in ("", " r=0.5")]
    audit = make_audit(3, arms, seeds=5, groups=networks, confusion=False, confidence=False)
    filled = [_filled(c, records) for c in audit.comparisons]
    table = to_csv(paper_table(dataclasses.replace(audit, comparisons=filled)))
    assert table == to_csv(printed_table(1))


def _filled(comparison, records):
    method, _, dropped = comparison.arm.partition(" ")
    of = {(r["network"], r["method"]): r for r in records}
    record, vanilla = of[comparison.group, method], of[comparison.group, "vanilla"]
    side = "with" if dropped else "without"
    numbers = {
        "accuracy_baseline": vanilla["without_acc"],
        "accuracy_baseline_sd": vanilla["without_acc_sd"],
        "accuracy_treated": record[f"{side}_acc"],
        "accuracy_treated_sd": record[f"{side}_acc_sd"],
        "mean_degraded_change": record[f"{side}_ddc"],
        "sd_degraded_change": record[f"{side}_ddc_sd"],
    }
    summary = {k: float(v) / 100 for k, v in numbers.items()} | {"n_degraded": int(record[f"{side}_n_dc"])}
    rate = float(record["rate"]) if dropped else 0.0
    return dataclasses.replace(comparison, rate=rate, summary=comparison.summary | summary)


def test_rows_by_group_and_method_with_rates_in_order(make_audit):
    audit = make_audit(4, ("cutmix r=0.9", "mixup", "cutmix", "cutmix r=0.1", "mixup alpha=0.2 r=1"), groups=("B", "A"))
    rows = paper_table(audit)
    expected = [("vanilla", None), ("cutmix", 0.1), ("cutmix", 0.9), ("mixup", None), ("mixup alpha=0.2", 1.0)]
    assert [(r.method, r.rate) for r in rows] == expected * 2
    assert [r.group for r in rows] == ["B"] * 5 + ["A"] * 5
    assert rows[1].without is not None
    assert rows[2].without is None
    assert rows[4].without is None


def test_numbers_are_percent_and_come_from_the_right_arm(make_audit):
    audit = make_audit(10, ("mixup", "mixup r=0.4"))
    plain, dropped = audit.comparisons
    vanilla, row = paper_table(audit)
    assert row.without is not None
    assert row.dropmix is not None
    assert vanilla.without is not None
    assert vanilla.without.accuracy == pytest.approx(100 * np.mean(plain.accuracies_baseline))
    assert vanilla.without.accuracy_sd == pytest.approx(100 * np.std(plain.accuracies_baseline))
    assert vanilla.without.n_degraded is vanilla.dropmix is None
    for measures, comparison in ((row.without, plain), (row.dropmix, dropped)):
        change = comparison.classes["recall_change"]
        assert measures.accuracy == pytest.approx(100 * comparison.recalls_treated.mean())
        assert measures.n_degraded == np.count_nonzero(change < -1e-12)
        assert measures.mean_change == pytest.approx(100 * change[change < -1e-12].mean())
        assert measures.mean_change_sd == pytest.approx(100 * change[change < -1e-12].std())


def test_chosen_rates_and_the_unit_of_dropping(make_audit):
    audit = make_audit(4, ("mixup", "mixup r=0.1", "mixup r=0.4", "mixup r=0.4 unit=sample"), confusion=False)
    rows = paper_table(audit, rates={"mixup": 0.4})
    assert [(r.method, r.rate) for r in rows[1:]] == [("mixup", 0.4), ("mixup unit=sample", 0.4)]
    assert rows[1].without == rows[2].without is not None


def test_one_seed_has_no_spread_and_no_loss_no_mean(make_audit):
    audit = make_audit(3, ("mixup",), seeds=1, confusion=False)
    comparison = audit.comparisons[0]
    none = {"n_degraded": 0, "mean_degraded_change": None, "sd_degraded_change": None}
    audit = dataclasses.replace(audit, comparisons=[dataclasses.replace(comparison, summary=comparison.summary | none)])
    vanilla, row = paper_table(audit)
    assert vanilla.without is not None
    assert row.without is not None
    assert row == Row("", "mixup", Measures(row.without.accuracy, None, 0))
    assert vanilla.without.accuracy_sd is None


@pytest.mark.parametrize(("read", "table"), [(printed_records, 5), (printed_table, 3), (printed_table, 0)])
def test_no_such_printed_table(read, table):
    with pytest.raises(ValueError, match="expected a table"):
        read(table)
