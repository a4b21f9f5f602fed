import base64
import hashlib
import html
import json
import re
from functools import partial
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from dropmix.audit import audit_predictions
from dropmix.audit.wording import verdict_parts
from dropmix.report.decision import standing
from dropmix.report.display_names import class_labels
from dropmix.report.figures.catalog import Plate, plates, recall_changes
from dropmix.report.page.class_data import class_data
from dropmix.report.page.html import FIGURES, HURT_NAMED, PAGE_BYTES, page

NASTY = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "\"><svg onload=alert(3)> ' & &amp; {{ 7*7 }}",
    "]]> --> <!-- \u2028 \u202e混合🐟",
    "a\x00b\x1b" + "long " * 200,
    "plain",
]


class Page(HTMLParser):
    """Elements, texts and the contents of scripts, as a parser of HTML reads them."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.scripts, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append((self.elements[-1][1].get("type"), data))
        elif self.open and self.open[-1] != "style":
            self.texts.append(data)

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass


@pytest.fixture(scope="module")
def nasty(real_audit):
    names = NASTY
    audit = real_audit(names=names, arms=(names[0], f"{names[1]} r=0.4"), seeds=2, groups=(names[2],))
    audit.comparisons[0].notes.append(names[1])
    plates = [
        Plate("recall-changes", i, f"s{i}", "t", names[0], partial(recall_changes, c))
        for i, c in enumerate(audit.comparisons)
    ]
    card = {names[0]: {names[1]: [names[2], 3, None], "deep": {"deeper": names[0]}}, "title": names[0]}
    return audit, page(audit, plates, card, [names[1]])


def test_names_are_text_wherever_they_stand(nasty):
    audit, text = nasty
    parsed = Page(text)
    assert [tag for tag, _ in parsed.elements].count("script") == 2
    assert not [a for _, attrs in parsed.elements for a in attrs if a.startswith("on")]
    assert "img" not in [tag for tag, _ in parsed.elements]
    shown = "".join(parsed.texts)
    for name in (NASTY[0], NASTY[1], "{{ 7*7 }}", "混合🐟"):
        assert name in shown
    data = json.loads(next(body for kind, body in parsed.scripts if kind == "application/json"))
    column = data["pool"][data["arms"][0]["columns"]["class"]]
    assert column[:2] == NASTY[:2]
    assert len(column) == len(audit.comparisons[0].classes["class"])


def test_the_policy_allows_the_one_script_and_nothing_else(nasty):
    parsed = Page(nasty[1])
    policy = next(a["content"] for t, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy")
    script = next(body for kind, body in parsed.scripts if kind is None)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:")
    for tag, attrs in parsed.elements:
        for key in ("src", "href", "action", "data"):
            value = attrs.get(key) or ""
            assert not re.match(r"(https?:)?//|javascript:", value), (tag, attrs)


def test_ids_are_unique_and_labels_find_their_controls(nasty):
    elements = Page(nasty[1]).elements
    ids = [a["id"] for _, a in elements if "id" in a]
    assert len(ids) == len(set(ids))
    aimed = [a[k] for _, a in elements for k in ("for", "aria-labelledby") if k in a]
    aimed += [a["href"][1:] for t, a in elements if t == "a" and a.get("href", "").startswith("#")]
    assert set(aimed) <= set(ids)
    controls = {a["id"] for t, a in elements if t in ("select", "input")}
    assert controls == {a["for"] for t, a in elements if t == "label"}


def test_the_class_data_are_the_audits_numbers(real_audit):
    audit = real_audit(20, ("mixup", "mixup r=0.4", "cutmix"))
    data = class_data(audit)
    for comparison, arm in zip(audit.comparisons, data["arms"]):
        column = {name: data["pool"][place] for name, place in arm["columns"].items()}
        np.testing.assert_allclose(column["base"], 100 * comparison.classes["recall_baseline"], atol=0.0051)
        np.testing.assert_allclose(column["change"], 100 * comparison.classes["recall_change"], atol=0.0051)
        assert column["decision"] == list(comparison.classes["decision"])
        np.testing.assert_allclose(column["low"], 100 * comparison.classes["recall_change_low"], atol=0.0051)
        ranked = [column["change"][column["rank"].index(i)] for i in range(20)]
        assert ranked == sorted(ranked, reverse=True)
        moved = comparison.classes["confidence_treated"] - comparison.classes["confidence_baseline"]
        np.testing.assert_allclose(column["confidence_change"], 100 * moved, atol=0.011)
    assert len({arm["columns"]["base"] for arm in data["arms"]}) == 1  # shared, hence stored once


def test_columns_without_content_are_left_out(real_audit):
    columns = class_data(real_audit(5, ("mixup",), confidence=False))["arms"][0]["columns"]
    assert set(columns) & {"confidence", "confidence_change", "n"} == set()


def test_sizes_are_a_column_only_where_they_differ(real_audit):
    audit = real_audit(5, ("mixup",))
    assert class_data(audit)["arms"][0]["each"] == 100
    audit.comparisons[0].classes["n"] = np.array([3, 4, 4, 4, 4])
    (arm,) = (data := class_data(audit))["arms"]
    assert arm["each"] is None
    assert data["pool"][arm["columns"]["n"]] == [3, 4, 4, 4, 4]


def test_without_script_the_classes_are_a_plain_table(real_audit):
    audit = real_audit(10, ("mixup",))
    plain = re.findall(r"<noscript>(.*?)</noscript>", page(audit, []), re.S)
    assert len(plain) == 1
    order = np.argsort(audit.comparisons[0].classes["recall_change"], kind="stable")
    names = re.findall(r'<td class="name"><bdi>(.*?)</bdi>', plain[0])
    assert names == [audit.comparisons[0].classes["class"][i] for i in order]
    many = page(real_audit(1000, ("mixup",)), [])
    assert len(re.findall(r"<bdi>", re.findall(r"<noscript>(.*?)</noscript>", many, re.S)[0])) == 40


def test_the_verdict_is_the_audits_and_comes_before_everything_else(real_audit):
    audit = real_audit(10)
    text = html.unescape(page(audit))
    for comparison in audit.comparisons:
        lead, *rest = verdict_parts(comparison)
        above, word = text[: text.index('id="classes"')], comparison.summary["decision"].capitalize()
        said = lead.removeprefix(word + ": ")
        said = said[0].upper() + said[1:]
        assert f'<p class="lead">{said}</p>' in above
        assert above.index(f" {word}</p>") < above.index(said)
        assert all(f"<li>{part}</li>" in above for part in rest)


def test_a_verdict_that_opens_with_the_name_of_a_class_keeps_its_spelling():
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(3), 60)
    seeds = [np.where(rng.random(180) < 0.8, labels, (labels + 1) % 3) for _ in range(4)]
    arms = {"vanilla": seeds[:2], "cutmix": seeds[2:]}
    audit = audit_predictions(arms, labels=labels, classes=["iris", "fox", "owl"], protect=["iris"])
    assert '<p class="lead">iris is not shown' in page(audit)


@pytest.mark.parametrize(("protect", "heads"), [([], ["Hurt classes"]), (["0"], ["Protected classes", "Other hurt"])])
def test_a_hurt_class_stands_in_one_of_the_short_tables(protect, heads):
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(6), 60)
    right = [np.full(6, 0.9), np.where(np.arange(6) < 2, 0.4, 0.9)]
    arms = [np.where(rng.random((3, 360)) < share[labels], labels, (labels + 1) % 6) for share in right]
    audit = audit_predictions((labels, arms[0]), (labels, arms[1]), refits=0, protect=protect)
    assert [audit.by_class[name]["decision"] for name in "01"] == ["hurt", "hurt"]
    text = page(audit)
    tables = re.findall(r'<table class="short">.*?</table>', text[: text.index('id="classes"')], re.S)
    assert [head in table for head, table in zip(heads, tables, strict=True)] == [True] * len(heads)
    rows = [re.findall(r'<td class="name"><bdi>(.*?)</bdi>', table) for table in tables]
    assert sorted(name for names in rows for name in names) == ["0", "1"]


def test_only_what_is_shown_is_drawn(real_audit):
    """Twelve figures at most, those of the first arms, and links only where the files are written."""
    audit = real_audit(3, ("mixup", "cutmix"))
    drawn = []

    def draw(stem):
        drawn.append(stem)
        return Figure(figsize=(2, 2))

    kinds = ("seed-spread", "recall-changes", *(f"k{i}" for i in range(6)))
    plates = [
        Plate(kind, arm, f"{kind}-{arm}", "t", "c", partial(draw, f"{kind}-{arm}")) for arm in (0, 1) for kind in kinds
    ]
    text = page(audit, plates)
    assert len(drawn) == FIGURES == text.count("<svg")
    assert set(drawn[:8]) == {f"{kind}-0" for kind in kinds}
    assert drawn[0] == "recall-changes-0"
    assert 'href="figures/' not in text
    left_out = {f"figures/{plate.stem}.svg" for plate in plates} - {f"figures/{stem}.svg" for stem in drawn}
    assert set(re.findall(r'href="(figures/.*?)"', page(audit, plates, figures=True))) == left_out


def test_a_page_that_grows_too_large_leaves_figures_out(real_audit, monkeypatch):
    audit = real_audit(3, ("mixup",))
    monkeypatch.setattr("dropmix.report.page.svg.inline_svg", lambda *_: f"<svg>{'x' * 700_000}</svg>")
    plates = [Plate(f"k{i}", 0, f"k{i}", "t", "c", lambda: Figure(figsize=(1, 1))) for i in range(4)]
    text = page(audit, plates)
    assert len(text.encode()) <= PAGE_BYTES + 1000
    assert text.count("<svg") == 2


def test_the_decision_comes_first_and_hurt_and_protected_classes_are_named(real_audit):
    audit = real_audit(30, ("mixup", "mixup r=0.4"), protect=("red owl", "red fox"))
    text = html.unescape(page(audit))
    first = text[: text.index('id="classes"')]
    for comparison in audit.comparisons:
        s = standing(comparison)
        assert [comparison.classes["class"][i] for i in s.protected] == ["red owl", "red fox"]
        assert f"{s.mark} {s.decision.capitalize()}" in first
        assert first.count("<b>Protected classes</b>") == 2
        assert s.hurt
        for i in s.hurt[:HURT_NAMED]:
            assert f"<bdi>{comparison.classes['class'][i]}</bdi>" in first
        assert f"{s.low} to {s.high}" in first
    assert "With and without DropMix" in first


def test_a_page_of_very_many_classes_holds_those_that_matter(real_audit, monkeypatch):
    monkeypatch.setattr("dropmix.report.page.class_data.ROWS", 60)
    audit = real_audit(100, ("mixup",), protect=("golden rose",))
    (arm,) = (data := class_data(audit))["arms"]
    names = data["pool"][arm["columns"]["class"]]
    (comparison,) = audit.comparisons
    hurt = [n for n, word in zip(comparison.classes["class"], comparison.classes["decision"]) if word == "hurt"]
    assert len(names) == 60
    assert arm["total"] == 100
    assert {"golden rose", *hurt} <= set(names)
    assert arm["evidence"] is None
    worst = np.argsort(comparison.classes["recall_change"])[:40]
    assert {comparison.classes["class"][i] for i in worst} <= set(names)


def test_what_is_known_of_the_classes_stands_in_columns(real_audit):
    audit = real_audit(3, ("mixup",))
    assert not {"superclass", "train"} & {*class_data(audit)["arms"][0]["columns"]}
    audit.comparisons[0].classes["n_train"] = np.array([7, np.nan, np.nan])
    audit.comparisons[0].classes["superclass"] = ["owl", None, "flower"]
    data = class_data(audit)
    columns = {name: data["pool"][place] for name, place in data["arms"][0]["columns"].items()}
    assert columns["train"] == [7, None, None]
    assert columns["superclass"] == ["owl", None, "flower"]


def test_several_arms_open_on_the_one_that_should_not_ship():
    labels = [0] * 200 + [1] * 200
    worse = [0] * 200 + [1] * 150 + [0] * 50
    text = page(audit_predictions((labels, labels), {"kept": (labels, labels), "lost": (labels, worse)}))
    assert '"first":1' in text
    told = "<strong>Keep baseline for now: neither arm may be shipped yet. Undecided: kept.</strong>"
    assert text.index(told) < text.index("<table")
    assert [row in text for row in ("−0.00", "+0.00")] == [False, False]
    text = page(audit_predictions((labels, labels), {"lost": (labels, worse), "kept": (labels, labels)}))
    assert '"first":0' in text


def test_rows_of_several_labels_are_measures():
    rng = np.random.default_rng(0)
    truth = (rng.random((200, 2)) < 0.4).astype(int)
    scores = [np.clip(0.3 + 0.4 * truth + rng.normal(0, 0.2, truth.shape), 0, 1) for _ in range(2)]
    names = ["a very long finding of the left lung", "a very long finding of the right lung"]
    audit = audit_predictions(scores[0], scores[1], labels=truth, classes=names, protect=names)
    text = page(audit, plates(audit))
    assert "All measures" in text
    assert "6 measures" in text
    assert "Find a measure" in text
    assert '<th scope="col" class="name">Measure</th>' in text
    assert "Change of every measure" in text
    assert "value change, points" in text
    for word in ("All classes", "Find a class", ">Class<", "recall change, points", "Recall of"):
        assert word not in text, word
    assert set(audit.only.classes["partner"]) == {""}
    assert "partner" not in class_data(audit)["arms"][0]["columns"]
    labels = class_labels(audit.only)
    assert len({*labels}) == 6
    assert {label.rsplit(" ", 1)[1] for label in labels} == {"sens.", "spec.", "AP"}
