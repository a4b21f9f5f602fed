"""The page in a headless Chromium, over the DevTools protocol: no error, nothing blocked, controls work."""

import io
import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from dropmix.audit.inference.guaranteed import Evidence, Guarantee
from dropmix.audit.measures.lost import LostImage
from dropmix.report.figures.catalog import Plate, baseline_against_treated, recall_changes
from dropmix.report.page.html import page
from dropmix.report.page.lost_images import Pictures

from .chromium import Browser


@pytest.fixture(scope="module")
def browser(chromium, tmp_path_factory):
    opened = Browser(chromium, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def pages(real_audit, tmp_path_factory):
    """Pages of 10 and 1000 classes, with the audits they show."""
    folder, made = tmp_path_factory.mktemp("pages"), {}
    for m in (10, 1000):
        audit = real_audit(m, seed=1)
        plates = [
            Plate(draw.__name__, i, f"{draw.__name__}-{i}", "title", "caption", partial(draw, c))
            for i, c in enumerate(audit.comparisons)
            for draw in (recall_changes, baseline_against_treated)
        ]
        path = folder / f"{m}.html"
        path.write_text(page(audit, plates, {"seeds": [0, 1]}), encoding="utf-8")
        made[m] = (path, audit)
    return made


def test_a_click_per_superclass(browser, pages, tmp_path):
    _, audit = pages[10]
    parents = ["animal", "plant"] * 4 + ["rock", None]
    known = [
        replace(c, classes=c.classes | {"superclass": parents, "n_train": np.arange(10, 0, -1)})
        for c in audit.comparisons
    ]
    path = tmp_path / "page.html"
    path.write_text(page(replace(audit, comparisons=known)), encoding="utf-8")
    browser.open(path)
    buttons = "document.querySelectorAll('#groups button')"
    assert browser.run(f"[...{buttons}].map(b => b.textContent)") == ["animal 4", "plant 4"]  # a lone rock needs none
    browser.run(f"{buttons}[1].click()")
    names = [str(name) for name, parent in zip(known[0].classes["class"], parents) if parent == "plant"]
    assert sorted(column(browser, "class")) == sorted(names)
    assert browser.run(f"[...{buttons}].map(b => b.ariaPressed)") == ["false", "true"]
    low, high = known[0].hurt_among(names)
    assert browser.run("document.querySelector('#bound').dataset.range") == f"{low} {high}"
    assert "these 4 classes" in browser.run("document.querySelector('#bound').textContent")
    browser.run(f"{buttons}[1].click()")
    press(browser, "train")
    assert column(browser, "train") == [str(i) for i in range(1, 11)]
    assert browser.complaints == []


def column(browser, key):
    i = browser.run(f"[...document.querySelectorAll('.classes th')].findIndex(t => t.dataset.key === '{key}')")
    return browser.run(f"[...document.querySelectorAll('.classes tbody tr')].map(r => r.cells[{i}].textContent.trim())")


def press(browser, key):
    browser.run(f"document.querySelector('.classes th[data-key={key}] button').click()")


def fill(browser, selector, value, event):
    browser.run(
        f"(() => {{ const e = document.querySelector('{selector}'); e.value = {json.dumps(value)};"
        f" e.dispatchEvent(new Event('{event}', {{bubbles: true}})); }})()"
    )


@pytest.mark.parametrize("m", [10, 1000])
def test_sorting_filtering_and_arms(browser, pages, m):
    path, audit = pages[m]
    browser.open(path)
    classes = audit.comparisons[0].classes
    change = [round(100 * float(c), 2) for c in classes["recall_change"]]
    shown = [float(t.replace("−", "-")) for t in column(browser, "change")]
    assert shown == sorted(change)[: min(m, 50)]  # worst first, a page of them
    press(browser, "change")
    assert [float(t.replace("−", "-")) for t in column(browser, "change")] == sorted(change, reverse=True)[: min(m, 50)]
    assert browser.run("document.querySelectorAll('[aria-sort]').length") == 1
    assert browser.run("document.querySelector('[data-key=change]').getAttribute('aria-sort')") == "descending"
    press(browser, "class")
    assert column(browser, "class") == sorted(classes["class"], key=str.casefold)[: min(m, 50)]

    fill(browser, "#kind", "hurt", "change")
    hurt = [n for n, word in zip(classes["class"], classes["decision"]) if word == "hurt"]
    assert hurt
    if m > 50:
        browser.run("document.querySelector('#whole').click()")
    assert column(browser, "class") == sorted(hurt, key=str.casefold)
    assert browser.run("document.querySelector('#count').textContent") == f"{len(hurt)} of {m} classes"
    fill(browser, "#kind", "", "change")
    fill(browser, "#find", "FOX", "input")
    assert column(browser, "class") == sorted((n for n in classes["class"] if "fox" in n), key=str.casefold)
    fill(browser, "#find", "no such class", "input")
    assert column(browser, "class") == []
    fill(browser, "#find", "", "input")

    fill(browser, "#arm", "1", "change")
    other = [round(100 * float(c), 2) for c in audit.comparisons[1].classes["recall_change"]]
    assert sorted(float(t.replace("−", "-")) for t in column(browser, "change")) == sorted(other)
    assert browser.run("[...document.querySelectorAll('.arm')].map(s => s.hidden)") == [True, False] * 2
    assert browser.complaints == []


def test_the_guaranteed_counts_are_those_of_python(browser, pages):
    """For all classes, for ticked ones and for those that the filter finds, in both arms."""
    for m in (10, 1000):
        path, audit = pages[m]
        browser.open(path)
        for i, c in enumerate(audit.comparisons):
            fill(browser, "#arm", str(i), "change")
            names = list(c.classes["class"])
            assert shown_range(browser) == c.guarantee.hurt_among(np.arange(m))
            browser.run("[...document.querySelectorAll('.classes tbody input')].slice(0, 7).forEach(b => b.click())")
            ticked = [names.index(name) for name in column(browser, "class")[:7]]
            assert shown_range(browser) == c.guarantee.hurt_among(np.array(ticked))
            fill(browser, "#find", "fox", "input")
            fill(browser, "#set", "shown", "change")
            found = [i for i, name in enumerate(names) if "fox" in name]
            assert shown_range(browser) == c.guarantee.hurt_among(np.array(found))
            fill(browser, "#find", "", "input")
            browser.run("document.querySelector('#untick').click()")
            assert shown_range(browser) == c.guarantee.hurt_among(np.arange(m))
    assert browser.complaints == []


def test_random_evidence_counts_as_python_counts(browser, pages, real_audit, tmp_path):
    """Both local tests, each with evidence of its own, on many sets of classes picked at random."""
    audit = real_audit(60, ("mixup",))
    (c,) = audit.comparisons
    rng = np.random.default_rng(0)
    p, q = (rng.random(60) ** rng.choice([1, 2, 4, 8], 60) for _ in range(2))
    guarantee = Guarantee(Evidence(p, q), Evidence(1 - q, 1 - p), 0.1)
    object.__setattr__(c, "guarantee", guarantee)
    path = tmp_path / "report.html"
    # The page's script keeps its functions to itself: this copy lets the test call one, under a looser policy.
    text = page(audit).replace(
        "let lit = null;", "window.count = hurtAmong; window.arm = () => arms[0]; let lit = null;"
    )
    path.write_text(re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", text, count=1), encoding="utf-8")
    browser.open(path)
    for size in range(1, 61):
        chosen = rng.permutation(60)[:size]
        counted = browser.run(f"count(arm().evidence, {chosen.tolist()})")
        assert tuple(counted) == guarantee.hurt_among(chosen)


def shown_range(browser):
    return tuple(int(n) for n in browser.run("document.querySelector('#bound').dataset.range").split())


def test_paging(browser, pages):
    browser.open(pages[1000][0])
    names = column(browser, "class")
    browser.run("document.querySelector('#next').click()")
    assert browser.run("document.querySelector('#where').textContent") == "Page 2 of 20"
    assert not set(names) & set(column(browser, "class"))
    browser.run("document.querySelector('#back').click()")
    assert column(browser, "class") == names
    assert browser.run("document.querySelector('#back').disabled") is True


def test_a_page_of_some_classes_offers_no_count_of_them(browser, real_audit, tmp_path, monkeypatch):
    monkeypatch.setattr("dropmix.report.page.class_data.ROWS", 60)
    path = tmp_path / "some.html"
    path.write_text(page(real_audit(100, ("mixup",))), encoding="utf-8")
    browser.open(path)
    seen = "getComputedStyle(document.querySelector('.classes td')).display"
    assert browser.run(seen) == "none"
    assert browser.run("document.querySelector('.guarantee').hidden") is True
    kept = browser.run("document.querySelector('#kept').textContent")
    assert all(word in kept for word in ("60 of 100 classes", "classes.csv", "hurt_among"))


def test_the_keyboard_reaches_and_sorts(browser, pages):
    browser.open(pages[10][0])
    browser.run("document.querySelector('.classes th[data-key=base] button').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13
        )
    assert browser.run("document.activeElement.closest('th').getAttribute('aria-sort')") == "ascending"
    assert browser.run("document.activeElement.closest('th').dataset.key") == "base"
    tab = {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
    browser.call("Input.dispatchKeyEvent", type="keyDown", **tab)
    assert browser.run("document.activeElement.closest('th').dataset.key") == "treated"


@pytest.mark.parametrize("m", [10, 1000])
def test_pointing_at_a_row_finds_the_class_in_every_figure(browser, pages, m):
    browser.open(pages[m][0])
    row = "document.querySelector('.classes tbody tr')"
    browser.run(f"{row}.dispatchEvent(new PointerEvent('pointerover', {{bubbles: true}}))")
    assert browser.run("document.querySelectorAll('.arm:not([hidden]) .ring').length") == 3  # one a panel
    assert browser.run(f"{row}.classList.contains('lit')")
    # The ring of the bar chart lies over the last bar: pointing there names the same class.
    name = column(browser, "class")[0]
    told = browser.run(
        "(() => { const svg = document.querySelector('.arm:not([hidden]) svg'); svg.scrollIntoView();"
        " const box = svg.querySelector('.ring').getBoundingClientRect();"
        " const at = {clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true};"
        " svg.dispatchEvent(new PointerEvent('pointermove', at));"
        " return document.querySelector('.tip').textContent; })()"
    )
    assert told.startswith(name + ":")
    assert browser.complaints == []


def test_hostile_names_stay_text(browser, real_audit, tmp_path):
    names = ["</script><script>document.title='hit'</script>", "<img src=x onerror=\"document.title='hit'\">", "fox"]
    audit = real_audit(names=names, arms=(names[1],), seeds=2)
    path = tmp_path / "report.html"
    plates = [Plate("recall-changes", 0, "s", names[0], "c", partial(recall_changes, audit.comparisons[0]))]
    path.write_text(page(audit, plates, {names[0]: names[1]}), encoding="utf-8")
    browser.open(path)
    assert sorted(column(browser, "class")) == sorted(names)
    assert browser.run("document.title") == f"Which classes does {names[1]} hurt?"
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.complaints == []


def test_a_changed_script_is_blocked_and_noticed(browser, pages, tmp_path):
    """That the tests above see violations: the page with one more statement must raise one."""
    text = pages[10][0].read_text(encoding="utf-8")
    changed = tmp_path / "changed.html"
    changed.write_text(text.replace('"use strict";', '"use strict";void 0;', 1), encoding="utf-8")
    browser.open(changed)
    assert any("Content Security Policy" in c for c in browser.complaints)
    assert browser.run("document.querySelector('#classes').hidden") is True


def test_a_phone_shows_the_change_beside_the_class(browser, pages, real_audit, tmp_path):
    browser.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    try:
        browser.open(pages[10][0])
        right = "document.querySelector('.classes td[data-key=change]').getBoundingClientRect().right"
        assert browser.run(f"{right} <= innerWidth")
        assert browser.run("document.querySelector('.classes td[data-key=base]').offsetParent === null")
        path = tmp_path / "protected.html"
        audit = real_audit(10, ("mixup",), seed=1)
        names = audit.only.classes["class"]
        path.write_text(page(real_audit(10, ("mixup",), seed=1, protect=tuple(names[:3]))), encoding="utf-8")
        browser.open(path)
        assert browser.run("document.querySelectorAll('.short').length") > 0
        assert browser.run(
            "[...document.querySelectorAll('.short')].every((t) => t.getBoundingClientRect().right <= innerWidth)"
        )
    finally:
        browser.call("Emulation.clearDeviceMetricsOverride")


def test_it_prints(browser, pages):
    browser.open(pages[10][0])
    answer = browser.call("Page.printToPDF", printBackground=True)
    assert len(answer["data"]) > 20_000


def test_pictures_of_lost_images_are_drawn(browser, real_audit, tmp_path):
    audit = real_audit(10, seed=1)
    stored = io.BytesIO()
    Image.new("L", (60, 40), 128).save(stored, "JPEG")
    names = ["photos/0001.jpg", "a very long name of a photograph " * 8 + ".jpg", "x" * 200]
    lost = [LostImage(name, place, "red owl", 2, 2, 0) for place in (0, 1) for name in names]
    audit = replace(audit, comparisons=[replace(c, lost=lost) for c in audit.comparisons])
    path = tmp_path / "lost.html"
    keys = [("", name) for name in names]
    path.write_text(page(audit, pictures=Pictures(dict.fromkeys(keys, stored.getvalue()))), encoding="utf-8")
    browser.open(path)
    drawn = "[...document.querySelectorAll('.strip img')].filter(i => i.offsetParent && i.complete)"
    assert browser.run(f"{drawn}.map(i => i.naturalWidth)") == [60] * 6
    assert browser.run(f"{drawn}.map(i => i.alt)") == names * 2
    wide = "[...document.querySelectorAll('.strip li')].filter(i => i.scrollWidth > i.clientWidth + 1).length"
    assert browser.run(wide) == 0
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.complaints == []
