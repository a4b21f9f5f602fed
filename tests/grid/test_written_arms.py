"""Arms written out in a file: what it may say about classes; completed on a data set, trained, stopped, resumed."""

from dataclasses import replace

import pytest
import torch

from dropmix.grid.arm import make_arm
from dropmix.grid.store import StoreError, check_same_grid, create_run
from dropmix.grid.written_arms import for_data, written_arm
from dropmix.recipes import get_recipe
from dropmix.train.config import Arm, RunSpec
from dropmix.train.loop import Control, train_run
from dropmix.train.step import Stepper

from ..train.test_loop import CPU, TINY, assert_same_outcome, make_spec, train

COUNTS = [11, 10, 10]


def rated(rates, method="mixup", unit="sample", rate=0.0):
    arm = written_arm("mine", {"method": method, "unit": unit, "rate": rate, "rates": rates})
    return for_data(arm, TINY.classes, COUNTS)


def test_fields_that_say_nothing_leave_no_trace_in_a_spec():
    arm = make_arm("mixup", 0.4)
    assert not {"rates", "partners", "confusions", "withhold"} & {*arm.model_dump()}
    assert arm == Arm.model_validate(arm.model_dump())
    told = written_arm("a", {"method": "mixup", "partners": "avoid", "confusions": {"x": "y"}, "withhold": ["z"]})
    spec = make_spec(told)
    assert RunSpec.from_json(spec.to_json()) == spec
    assert {*told.model_dump()} - {*arm.model_dump()} == {"partners", "confusions", "withhold"}
    assert len({make_spec(one).hash for one in (told, make_arm("mixup"), rated({"a": 0.5}), rated({"b": 0.5}))}) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"rate": 1}, "expected a method and any of"),
        ({"method": "mixup", "speed": 1}, "got the field 'speed'"),
        ({"method": "mixup, cutmix"}, "expected one method"),
        ({"method": "vanilla", "rates": {"a": 0.5}}, "part of every grid"),
        ({"method": "mixup", "rates": {"a": 0.5}}, "expected unit 'sample' or 'count'"),
        ({"method": "mixup", "unit": "sample", "rates": {"a": 1.5}}, r"expected rate in \[0, 1\], got 1.5"),
        ({"method": "mixup", "unit": "sample", "rates": {"a": "much"}}, "rates.a: expected a valid number"),
        ({"method": "mixup", "unit": "sample", "rates": {False: 0.5}}, "got False. Put the name in quotes"),
        ({"method": "mixup", "unit": "sample", "rates": [0.5, 0.1]}, "expected rates as class: value"),
        ({"method": "mixup", "partners": "strangers"}, "partners: expected 'any'"),
        ({"method": "mixup", "partners": "only"}, "expected confusions"),
        ({"method": "mixup", "partners": "only", "confusions": {"a": "a"}}, "another class as confusion of 'a'"),
        ({"method": "mixup", "withhold": "fox"}, r"Write \[fox\]"),
        ({"method": "recursivemix", "withhold": ["fox"]}, "expected one rate and partners='any' with recursivemix"),
        ({"method": "mixup", "rate": None}, "rate: expected a valid number"),
    ],
)
def test_what_does_not_fit_is_one_line_that_names_the_arm(content, message):
    with pytest.raises(ValueError, match=message) as error:
        written_arm("my arm", content)
    assert str(error.value).startswith("arms: my arm: ")
    assert "\n" not in str(error.value)


def test_classes_that_yaml_reads_as_numbers_are_names():
    arm = written_arm("a", {"method": "mixup", "unit": "sample", "rates": {7: 0.5}, "withhold": [3]})
    assert (arm.rates, arm.withhold) == ({"7": 0.5}, ("3",))


def test_on_a_data_set_every_class_has_a_rate_and_the_arm_their_mean_over_images():
    arm = rated({"b": 0.9}, rate=0.2)
    assert arm.rates == {"a": 0.2, "b": 0.9, "c": 0.2}
    assert arm.rate == pytest.approx((0.2 * 21 + 0.9 * 10) / 31, abs=1e-6)
    assert arm.name == f"mixup r={arm.rate:g} unit=sample rates=mine"
    assert for_data(arm, TINY.classes, COUNTS) == arm
    # However rare, it is never read as an arm without DropMix.
    assert for_data(
        written_arm("x", {"method": "mixup", "unit": "sample", "rates": {"a": 1e-9}}), *("abc", COUNTS)
    ).rate
    for strange in ({"rates": {"d": 0.5}, "unit": "sample"}, {"withhold": ["d"]}):
        with pytest.raises(ValueError, match=r"expected classes of the data \(a, b, c\), got 'd'"):
            for_data(written_arm("x", {"method": "mixup", **strange}), TINY.classes, COUNTS)


@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0])
def test_equal_rates_are_one_rate_with_its_bits(tmp_path, rate):
    arm = rated(dict.fromkeys("abc", rate))
    assert arm == make_arm("mixup", rate, unit="sample")
    # A spec that holds them all the same draws the same.
    kept = arm.model_copy(update={"rates": dict.fromkeys("abc", rate)})
    train(tmp_path / "one", make_spec(arm))
    train(tmp_path / "each", make_spec(kept))
    assert_same_outcome(tmp_path / "one", tmp_path / "each")


@pytest.mark.parametrize("unit", ["sample", "count"])
def test_rate_one_removes_a_class_from_the_mixing_and_rate_zero_leaves_it(unit):
    arm = rated({"a": 1.0, "b": 0.0, "c": 0.5}, unit=unit)
    spec = make_spec(arm)
    stepper = Stepper(spec, torch.nn.Linear(1, 3), 3, (0.3,), (0.2,), TINY.classes)
    y = torch.arange(30) % 3
    mixed = torch.zeros(3)
    for step in range(40):
        mix = stepper.draw(torch.rand(30, 1, 4, 4), y, 0, step)
        share = (mix.lam < 1) & (mix.partner != torch.arange(30))
        kept = (mix.lam == 1) | (mix.partner == torch.arange(30))
        mixed += torch.bincount(y, weights=share.double(), minlength=3)
        assert bool(kept[y == 0].all())
        partners = y[mix.partner[y == 1]]
        assert bool((partners != 0).all())  # who is not mixed is nobody's partner either
    assert mixed[0] == 0
    assert mixed[1] > 40 * 10 * 0.85  # all but those that draw themselves
    assert mixed[2] / 400 == pytest.approx(0.5, abs=0.1)


def test_policies_reach_the_draws():
    arm = written_arm("x", {"method": "cutmix", "partners": "only", "confusions": {"a": "b", "b": "a", "c": "a"}})
    stepper = Stepper(make_spec(arm), torch.nn.Linear(1, 3), 3, (0.3,), (0.2,), TINY.classes)
    y = torch.arange(30) % 3
    mix = stepper.draw(torch.rand(30, 1, 8, 8), y, 0, 0)
    wanted = torch.tensor([1, 0, 0])
    assert torch.equal(y[mix.partner], wanted[y])
    arm = written_arm("x", {"method": "cutmix", "withhold": ["b"]})
    stepper = Stepper(make_spec(arm), torch.nn.Linear(1, 3), 3, (0.3,), (0.2,), TINY.classes)
    mix = stepper.draw(torch.rand(30, 1, 8, 8), y, 0, 0)
    assert not bool(((y[mix.partner] == 1) & (mix.lam < 1)).any())


def test_stopped_and_resumed_is_the_same_to_the_bit(tmp_path):
    content = {"method": "cutmix", "unit": "sample", "rates": {"a": 0.8}, "partners": "other"}
    spec = make_spec(for_data(written_arm("x", content), TINY.classes, COUNTS))
    assert train(tmp_path / "whole", spec) == "done"
    calls = 0

    def third_call() -> bool:
        nonlocal calls
        calls += 1
        return calls % 3 == 0

    stops = 0
    while train(tmp_path / "cut", spec, Control(should_stop=third_call)) == "stopped":
        stops += 1
    assert stops > 2
    assert_same_outcome(tmp_path / "whole", tmp_path / "cut")
    # The order of classes in the data set is not that in which the arm names them.
    turned = spec.model_copy(
        update={"arm": spec.arm.model_copy(update={"rates": dict(reversed(spec.arm.rates.items()))})}
    )
    assert turned.hash == spec.hash
    train(tmp_path / "turned", turned)
    assert_same_outcome(tmp_path / "whole", tmp_path / "turned")


def test_another_arm_of_the_same_name_is_refused_where_the_first_was_run(tmp_path):
    base = get_recipe("digits").base
    one, two = (
        base.model_copy(update={"arm": for_data(written_arm("x", content), [*"0123456789"], [1] * 10)})
        for content in ({"method": "mixup", "unit": "sample", "rates": {c: 1.0}} for c in "12")
    )
    assert one.arm.name == two.arm.name
    create_run(tmp_path, one)
    check_same_grid(tmp_path, base, one)
    with pytest.raises(StoreError, match="got another of that name"):
        check_same_grid(tmp_path, base, two)


def test_the_names_of_classes_are_those_of_the_data(tmp_path):
    spec = make_spec(rated({"b": 0.9}))
    named = replace(TINY, classes=["b", "a", "c"])  # the same pictures under other names
    train(tmp_path / "one", spec)
    (tmp_path / "two").mkdir()
    train_run(spec, tmp_path / "two", named, CPU)
    one, two = (torch.load(tmp_path / n / "weights.pt", weights_only=True)["model"] for n in ("one", "two"))
    assert any(not torch.equal(one[key], two[key]) for key in one)
