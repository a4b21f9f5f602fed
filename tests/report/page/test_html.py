import base64
import dataclasses
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from dropmix.report.figures.catalog import Plate, recall_changes
from dropmix.report.page.class_data import class_data
from dropmix.report.page.html import PAGE_BYTES, page
from dropmix.report.verdict import factual_verdicts

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
def nasty(make_audit):
    names = NASTY
    audit = make_audit(names=names, arms=(names[0], f"{names[1]} r=0.4"), seeds=2, groups=(names[2],), floor=True)
    audit.comparisons[0].notes.append(names[1])
    plates = [
        Plate("recall-changes", i, f"s{i}", "t", names[0], recall_changes(c)) for i, c in enumerate(audit.comparisons)
    ]
    card = {names[0]: {names[1]: [names[2], 3, None], "deep": {"deeper": names[0]}}, "title": names[0]}
    return audit, page(audit, plates, card, [names[0], names[1]], [names[1]])


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


def test_the_class_data_are_the_audits_numbers(make_audit):
    audit = make_audit(20, ("mixup", "mixup r=0.4", "cutmix"), inference=True)
    data = class_data(audit)
    for comparison, arm in zip(audit.comparisons, data["arms"]):
        column = {name: data["pool"][place] for name, place in arm["columns"].items()}
        np.testing.assert_allclose(column["base"], 100 * comparison.classes["recall_baseline"], atol=0.0051)
        np.testing.assert_allclose(column["change"], 100 * comparison.classes["recall_change"], atol=0.0051)
        assert column["status"] == comparison.classes["status"]
        ranked = [column["change"][column["rank"].index(i)] for i in range(20)]
        assert ranked == sorted(ranked, reverse=True)
        moved = comparison.classes["confidence_treated"] - comparison.classes["confidence_baseline"]
        np.testing.assert_allclose(column["confidence_change"], 100 * moved, atol=0.011)
    assert len({arm["columns"]["base"] for arm in data["arms"]}) == 1  # shared, hence stored once


def test_columns_without_content_are_left_out(make_audit):
    columns = class_data(make_audit(5, ("mixup",), confusion=False, confidence=False))["arms"][0]["columns"]
    assert set(columns) == {"class", "base", "treated", "change", "rank", "status"}


def test_sizes_are_a_column_only_where_they_differ(make_audit):
    audit = make_audit(5, ("mixup",), confusion=False)
    assert class_data(audit)["arms"][0]["each"] == 100
    audit.comparisons[0].classes["n"] = np.array([3, 4, 4, 4, 4])
    (arm,) = (data := class_data(audit))["arms"]
    assert arm["each"] is None
    assert data["pool"][arm["columns"]["n"]] == [3, 4, 4, 4, 4]


@pytest.mark.parametrize("text", ["Mixup r=0.4 gains.", "Mixup + DropMix, r = 0.4 gains."])
def test_an_arm_is_not_named_twice(make_audit, text):
    shown = page(make_audit(3, ("mixup r=0.4",), confusion=False), [], verdicts=[text])
    assert "<li><b>Mixup + DropMix, r = 0.4</b> gains.</li>" in shown
    shown = page(make_audit(3, ("mixup r=0.4",), confusion=False), [], verdicts=["Nothing."])
    assert "<li><b>Mixup + DropMix, r = 0.4</b>: Nothing.</li>" in shown


def test_without_script_the_classes_are_a_plain_table(make_audit):
    audit = make_audit(10, ("mixup",), confusion=False)
    plain = re.findall(r"<noscript>(.*?)</noscript>", page(audit, []), re.S)
    assert len(plain) == 1
    order = np.argsort(audit.comparisons[0].classes["recall_change"], kind="stable")
    names = re.findall(r'<td class="name"><bdi>(.*?)</bdi>', plain[0])
    assert names == [audit.comparisons[0].classes["class"][i] for i in order]
    many = page(make_audit(1000, ("mixup",), confusion=False), [])
    assert len(re.findall(r"<bdi>", re.findall(r"<noscript>(.*?)</noscript>", many, re.S)[0])) == 40


def test_verdict_comes_before_everything_else(make_audit):
    audit = make_audit(10, floor=True)
    text = html.unescape(page(audit, []))
    plain, dropped = factual_verdicts(audit)
    for verdict in (plain, dropped):
        assert verdict.partition(" raises")[2] in text[: text.index("<table")]
    assert "If all classes changed alike, about 3" in plain
    assert "Without DropMix it falls in" in dropped


def test_a_wrong_number_of_verdicts_is_refused(make_audit):
    with pytest.raises(ValueError, match="expected verdicts with 2 texts"):
        page(make_audit(3, confusion=False), [], verdicts=["one"])


@pytest.mark.parametrize(("gain", "words"), [(-0.011, "lowers accuracy by 1.10"), (0.00001, "leaves accuracy")])
def test_a_verdict_names_the_direction(make_audit, gain, words):
    audit = make_audit(10, ("mixup",), confusion=False)
    (comparison,) = audit.comparisons
    changed = dataclasses.replace(comparison, summary=comparison.summary | {"gain": gain})
    assert words in factual_verdicts(dataclasses.replace(audit, comparisons=[changed]))[0]


def test_a_page_that_grows_too_large_links_to_its_figures(make_audit, monkeypatch):
    audit = make_audit(3, ("mixup", "cutmix"), confusion=False)
    big = f'<svg xmlns="http://www.w3.org/2000/svg"><text>{"x" * 700_000}</text></svg>'.encode()
    kinds = [("seed-spread", 0), ("recall-changes", 0), ("recall-changes", 1), ("best-and-worst", 1)]
    plates = [Plate(kind, arm, f"{kind}-{arm}", "t", "c", Figure()) for kind, arm in kinds]
    for plate in plates:
        plate.__dict__["svg"] = big
    text = page(audit, plates)
    assert len(text.encode()) <= PAGE_BYTES + 1000
    assert text.count("<svg") == 2
    linked = re.findall(r'href="figures/(.*?)\.svg"', text)
    assert sorted(linked) == ["best-and-worst-1", "seed-spread-0"]
