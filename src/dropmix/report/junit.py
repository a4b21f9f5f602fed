"""The decision as a JUnit file, which continuous integration servers can show."""

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from dropmix.audit.verdict import verdict
from dropmix.report.decision import Standing, standing
from dropmix.report.display_names import clean, visible

if TYPE_CHECKING:
    from dropmix.audit import Audit, Comparison


def to_junit(audit: "Audit") -> str:
    """One suite per arm: a case for the decision, and one for each protected class.

    The decision fails unless it is "ship"; a protected class fails unless it is shown to be safe.

    Example:
        >>> from dropmix.audit import audit_predictions
        >>> labels = [0] * 50 + [1] * 50
        >>> audit = audit_predictions((labels, labels), (labels, [0] * 50 + [1] * 35 + [0] * 15))
        >>> ET.fromstring(to_junit(audit)).attrib
        {'name': 'dropmix audit', 'tests': '1', 'failures': '1'}
    """
    suites = [_suite(c, standing(c)) for c in audit.comparisons]
    root = ET.Element("testsuites", name="dropmix audit")
    for key in ("tests", "failures"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    root.extend(suites)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(c: "Comparison", s: Standing) -> ET.Element:
    suite = ET.Element("testsuite", name=s.title)
    _case(suite, s.title, "decision", s.decision == "ship", s.decision, verdict(c))
    for i in s.protected:
        word, name = c.classes["decision"][i], clean(c.classes["class"][i])
        ends = ("", "_low", "_high", "_low_population", "_high_population")
        change, low, high, low_new, high_new = (100 * float(c.classes[f"recall_change{end}"][i]) for end in ends)
        text = (
            f"Recall changes by {change:+.1f} points; {low:+.1f} to {high:+.1f} on these very images, "
            f"{low_new:+.1f} to {high_new:+.1f} on new images of the same kind. {int(c.classes['n'][i])} test images; "
            f"{100 * float(c.classes['tolerance'][i]):g} points are tolerated."
        )
        _case(suite, s.title, f"protected class {name}", word == "safe", word, text)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    return suite


def _case(suite: ET.Element, arm: str, name: str, passed: bool, word: str, text: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=arm, name=name)
    inside = ET.SubElement(case, "system-out" if passed else "failure")
    if not passed:
        inside.set("message", word)
        inside.set("type", word)
    inside.text = visible(text)
