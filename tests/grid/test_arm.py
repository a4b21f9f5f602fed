import pytest

from dropmix.grid.arm import make_arm, parse_methods
from dropmix.msda import METHODS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mixup", [("mixup", {})]),
        ("mixup,cutmix", [("mixup", {}), ("cutmix", {})]),
        (" mixup ( alpha = 0.2 ) , cutmix ", [("mixup", {"alpha": 0.2}), ("cutmix", {})]),
        ("cutmix(alpha=1, form=continuous)", [("cutmix", {"alpha": 1, "form": "continuous"})]),
        ("puzzlemix(transport=false,clean=1e-1)", [("puzzlemix", {"transport": False, "clean": 0.1})]),
    ],
)
def test_methods_are_read(text, expected):
    assert parse_methods(text) == expected


@pytest.mark.parametrize("text", ["mixup(", "mixup)", "mixup(alpha)", "(alpha=1)", "mixup(alpha=1)(beta=2)", ",,"])
def test_unreadable_methods_are_refused(text):
    with pytest.raises(ValueError, match=r"methods: expected"):
        parse_methods(text)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_an_arm_with_its_options_written_out(method):
    arm = make_arm(method, 0.5)
    assert arm.name == f"{method} r=0.5"
    assert "generator" not in arm.options
    assert make_arm(method, 0.5, arm.options) == arm


@pytest.mark.parametrize("method", METHODS)
def test_options_as_text_are_those_that_an_arm_writes_out(method):
    written = {
        key: value for key, value in make_arm(method).options.items() if isinstance(value, bool | int | float | str)
    }
    text = f"{method}({', '.join(f'{key}={str(value).lower()}' for key, value in written.items())})"
    ((name, options),) = parse_methods(text if written else method)
    assert make_arm(name, options=options) == make_arm(method)


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("False", False), ("no", False), ("1", True), ("0", False)]
)
def test_a_switch_is_read_as_one(value, expected):
    ((method, options),) = parse_methods(f"puzzlemix(transport={value})")
    assert make_arm(method, options=options).options["transport"] is expected


@pytest.mark.parametrize("value", ["maybe", "2", "1e0x", "none"])
def test_what_is_no_switch_is_refused(value):
    ((method, options),) = parse_methods(f"puzzlemix(transport={value})")
    with pytest.raises(ValueError, match="transport: expected true or false"):
        make_arm(method, options=options)


def test_names_show_what_is_not_default():
    assert make_arm("mixup", options={"alpha": 1}).name == "mixup"
    assert make_arm("mixup", options={"alpha": 2}).name == "mixup alpha=2.0"
    assert make_arm("mixup", 0.4, unit="sample", per="sample").name == "mixup per=sample r=0.4 unit=sample"


def test_presets_differ_where_the_codes_do():
    assert make_arm("cutmix").options["form"] == "integer"
    released = make_arm("cutmix", preset="released-code")
    assert released.options["form"] == "continuous"
    assert released.name == "cutmix"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0}, "alpha: expected a finite number > 0, got 0"),
        ({"alpha": -1.0}, "alpha: expected"),
        ({"alpha": "x"}, "mixup"),
        ({"beta": 1}, "expected options of mixup"),
    ],
)
def test_bad_options_are_refused_before_any_run(options, message):
    with pytest.raises(ValueError, match=message):
        make_arm("mixup", options=options)


def test_bad_rate_is_refused():
    with pytest.raises(ValueError, match=r"rate in \[0, 1\], got 1.5"):
        make_arm("mixup", 1.5)
