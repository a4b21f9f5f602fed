"""Names and tolerances as people type them."""

import numpy as np
import pytest

from dropmix.audit import audit_predictions
from dropmix.audit.errors import AuditError
from dropmix.cli.reporting import names_of, tolerances_of


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("fox, lynx", ("fox", "lynx")),
        ('"tench, Tinca tinca",fox', ("tench, Tinca tinca", "fox")),
        ('ü "q",x=1', ('ü "q"', "x=1")),
        ('"big" cat,[1]', ('"big" cat', "[1]")),
        ('" lead","a ""b"""', (" lead", 'a "b"')),
    ],
)
def test_names_may_hold_anything(typed, names):
    assert names_of(typed) == names


def test_tolerances_of_such_names():
    assert tolerances_of("2.5") == 0.025
    typed = '"tench, Tinca tinca"=2, x=1=3,café [big] = 0.5'
    assert tolerances_of(typed) == {"tench, Tinca tinca": 0.02, "x=1": 0.03, "café [big]": 0.005}


@pytest.mark.parametrize("typed", ["fox=1,fox=2", "fox=x", "fox=-1", "nan", ""])
def test_other_tolerances_are_refused(typed):
    with pytest.raises(ValueError, match="--tolerance: expected"):
        tolerances_of(typed)


def test_a_list_without_names_is_refused():
    with pytest.raises(ValueError, match="--protect: expected names"):
        names_of(" , ")


def test_a_name_cut_at_its_comma_is_told_how_to_be_typed():
    labels = np.repeat([0, 1], 20)
    arm = {"labels": labels, "pred": labels, "classes": ["tench, Tinca tinca", "fox"]}
    with pytest.raises(AuditError, match="a name that holds a comma stands in double quotes"):
        audit_predictions(arm, arm, protect=names_of("tench, Tinca tinca"))
