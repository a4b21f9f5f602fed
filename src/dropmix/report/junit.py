"""The decision as a JUnit file, which continuous integration servers can show."""

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from dropmix.audit.quantities.words import noun, signed_points, size
from dropmix.audit.rows.to_decide import one_seed_each
from dropmix.audit.wording import verdict
from dropmix.report.decision import Standing, standing, tolerance_words
from dropmix.report.display_names import clean, visible

if TYPE_CHECKING:
    from dropmix.audit import Audit, Comparison

COUNTED = {"failures": "failure", "skipped": "skipped"}


def to_junit(audit: "Audit") -> str:
    """One suite per arm: a case for the decision, and one for each protected class and slice.

    The decision fails unless it is "ship"; a protected class or slice fails unless it is shown to be safe. With slices,
    each protected class has a case within each of them as well: it fails if hurt there, which alone forbids to ship,
    and is skipped if nothing is shown.

    Example:
        >>> from dropmix.audit import audit_predictions
        >>> labels = [0] * 50 + [1] * 50
        >>> audit = audit_predictions((labels, labels), (labels, [0] * 50 + [1] * 35 + [0] * 15))
        >>> ET.fromstring(to_junit(audit)).attrib
        {'name': 'dropmix audit', 'tests': '1', 'failures': '1', 'skipped': '0'}
    """
    suites = [_suite(c, standing(c)) for c in audit.comparisons]
    root = ET.Element("testsuites", name="dropmix audit")
    for key in ("tests", *COUNTED):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    root.extend(suites)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(c: "Comparison", s: Standing) -> ET.Element:
    suite = ET.Element("testsuite", name=s.title)
    _case(suite, s.title, "decision", "" if s.decision == "ship" else "failure", s.decision, verdict(c))
    names, one_seed = c.classes["class"], one_seed_each(c.summary)
    for i in s.protected:
        _question(suite, s.title, f"protected {noun(c.classes)} {clean(names[i])}", c.classes, i, "failure", one_seed)
    if c.slices:
        for i in np.flatnonzero(np.array(c.slices["protected"]) == "yes").tolist():
            _question(
                suite, s.title, f"protected slice {clean(c.slices['slice'][i])}", c.slices, i, "failure", one_seed
            )
        cells, kept = c.slice_classes, {names[i] for i in s.protected}
        for i, (place, name) in enumerate(zip(cells["slice"], cells["class"])):
            if name in kept:
                otherwise = "failure" if cells["decision"][i] == "hurt" else "skipped"
                _question(
                    suite, s.title, f"protected class {clean(name)} in {clean(place)}", cells, i, otherwise, one_seed
                )
    suite.set("tests", str(len(suite)))
    for key, tag in COUNTED.items():
        suite.set(key, str(len(suite.findall(f"testcase/{tag}"))))
    return suite


def _question(
    suite: ET.Element, arm: str, name: str, rows: dict[str, Any], i: int, otherwise: str, one_seed: bool
) -> None:
    """A case for row `i` of classes, slices or classes within slices: passed if safe, else `otherwise`.

    One seed per arm says nothing of training again, so its only interval is that for new examples.
    """
    ends = ("", "_low", "_high", "_low_population", "_high_population")
    change, low, high, low_new, high_new = (signed_points(float(rows[f"recall_change{end}"][i])) for end in ends)
    what = rows["measure"][i].capitalize() if "measure" in rows else "Recall"
    here = "" if one_seed else f"{low} to {high} on these very examples, "
    text = (
        f"{what} changes by {change} points; {here}"
        f"{low_new} to {high_new} on new examples of the same kind. Test examples: {size(rows, i)}. "
        f"Tolerated: {tolerance_words([rows['tolerance'][i]])}."
    )
    word = rows["decision"][i]
    _case(suite, arm, name, "" if word == "safe" else otherwise, word, text)


def _case(suite: ET.Element, arm: str, name: str, tag: str, word: str, text: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=arm, name=name)
    inside = ET.SubElement(case, tag or "system-out")
    if tag:
        inside.set("message", word)
    if tag == "failure":
        inside.set("type", word)
    inside.text = visible(text)
