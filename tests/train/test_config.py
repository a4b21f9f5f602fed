import json

import pytest
from pydantic import ValidationError

from dropmix.train.config import Arm, Data, RunSpec, Schedule, Train


def spec(**changes) -> RunSpec:
    settings = {"network": "wrn10-1", "data": Data(name="digits"), "train": Train(epochs=2, lr=0.1)} | changes
    return RunSpec(**settings)


def test_json_round_trip_keeps_everything():
    made = spec(arm=Arm(name="mixup r=0.4", method="mixup", rate=0.4, options={"alpha": 1.0}), seed=3)
    again = RunSpec.from_json(made.to_json())
    assert again == made
    assert again.hash == made.hash


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"network": "wrn16-1"},
        {"preset": "released-code"},
        {"arm": Arm(method="mixup")},
        {"arm": Arm(method="mixup", rate=0.1)},
        {"data": Data(name="digits", fingerprint="x")},
        {"data": Data(name="digits", crop_padding=1)},
        {"train": Train(epochs=3, lr=0.1)},
        {"train": Train(epochs=2, lr=0.2)},
        {"train": Train(epochs=2, lr=0.1, schedule=Schedule(kind="cosine"))},
        {"train": Train(epochs=2, lr=0.1, loss="bce-of-softmax")},
        {"train": Train(epochs=2, lr=0.1, precision="bf16")},
    ],
)
def test_what_changes_the_outcome_changes_the_hash(changes):
    assert spec(**changes).hash != spec().hash


def test_the_name_of_an_arm_does_not_change_the_hash():
    assert spec(arm=Arm(name="one", method="mixup")).hash == spec(arm=Arm(name="two", method="mixup")).hash


def test_a_learning_rate_of_vanillas_own_is_written_only_where_there_is_one():
    own = spec(train=Train(epochs=2, lr=0.1, lr_vanilla=0.05))
    assert RunSpec.from_json(own.to_json()) == own
    assert own.hash != spec().hash
    assert "lr_vanilla" not in spec().to_json()
    assert spec().hash == "c2d6471286"  # folders of earlier versions keep their names


def test_group_is_shared_by_arms_and_seeds_only():
    assert spec(seed=1).group == spec(arm=Arm(method="mixup")).group == spec().group
    assert spec(network="wrn16-1").group != spec().group


def test_folder_name_is_readable_and_safe():
    name = spec(arm=Arm(name="cutmix form=a/b r=0.4", method="cutmix", rate=0.4), seed=2).folder_name
    assert name.startswith("cutmix-forma_b-r0.4-s2-")
    assert "/" not in name


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("arm", "rate"), 1.5),
        (("arm", "rate"), -0.1),
        (("arm", "rate"), float("nan")),
        (("train", "epochs"), 0),
        (("train", "lr"), 0),
        (("train", "epoch"), 3),
        (("data", "validation"), 1.0),
        (("seed",), -1),
        (("format",), 2),
    ],
)
def test_bad_values_are_refused_by_their_path(path, value):
    content = json.loads(spec().to_json())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ValidationError) as error:
        RunSpec.model_validate(content)
    assert error.value.errors()[0]["loc"][: len(path)] == path


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(ValidationError, match="nesterov"):
        Train(epochs=1, lr=0.1, momentum=0.0)
