"""Class lists as people and programs write them: no class gets another one's name."""

import json

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_predictions

NAMES = ["cat", "dog", "fox", "lynx"]
LABELS = np.arange(80) % 4


@pytest.fixture
def classes(rng):
    """The names that an audit of class numbers gets from a class list."""
    preds = [np.where(rng.random(80) < 0.8, LABELS, rng.integers(0, 4, 80)) for _ in "ab"]
    arms = [{"labels": LABELS, "pred": pred} for pred in preds]
    return lambda given: [*audit_predictions(*arms, classes=given, refits=0).only.classes["class"]]


JSON = [
    NAMES,
    dict(enumerate(NAMES)),
    {3: "lynx", 1: "dog", 0: "cat", 2: "fox"},
    {name: number for number, name in enumerate(NAMES)},
    {"fox": 2, "lynx": 3, "cat": 0, "dog": 1},
    {str(i): [f"n0{i}", name] for i, name in enumerate(NAMES)},
    {"model_type": "vit", "id2label": dict(enumerate(NAMES)), "label2id": {"x": 0}},
    {"classes": NAMES},
    [{"id": i, "name": name} for i, name in reversed([*enumerate(NAMES)])],
]


@pytest.mark.parametrize("content", JSON)
def test_json_in_every_usual_form(tmp_path, classes, content):
    (tmp_path / "classes.json").write_text(json.dumps(content))
    assert classes(tmp_path / "classes.json") == NAMES
    assert classes(content) == NAMES


LINES = [
    "cat\ndog\nfox\nlynx\n",
    "\ufeffcat\r\ndog\r\n\r\nfox\r\nlynx\r\n\r\n",
    '"cat"\n"dog"\n"fox"\n"lynx"\n',
    "0 cat\n1 dog\n2 fox\n3 lynx\n",
    "3: lynx\n2: fox\n1: dog\n0: cat\n",
    "0,cat\n1,dog\n2,fox\n3,lynx\n",
    "index,name\n0,cat\n1,dog\n2,fox\n3,lynx\n",
    "class;class_id\nlynx;3\nfox;2\ndog;1\ncat;0\n",
    "dog 1\ncat 0\nlynx 3\nfox 2\n",
]


@pytest.mark.parametrize("content", LINES)
def test_lines_in_every_usual_form(tmp_path, classes, content):
    (tmp_path / "classes.txt").write_bytes(content.encode())
    assert classes(tmp_path / "classes.txt") == NAMES


@pytest.mark.parametrize(
    "content",
    [
        ["1 door", "3 doors", "2 doors", "no door"],
        ["class 0", "class 1", "class 2", "class 3"],
        ["a", "b, c", "d", "e"],
    ],
)
def test_numbers_and_commas_within_names_stay(tmp_path, classes, content):
    (tmp_path / "classes.txt").write_text("\n".join(content))
    assert classes(tmp_path / "classes.txt") == content


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "class\ncat\ndog\nfox\nlynx", "got 'class' first. Remove a header"),
        ("a.csv", "index,name\ncat,x\ndog,y\nfox,z\nlynx,w", "got 'index,name' first"),
        ("a.txt", "# of mine\ncat\ndog\nfox\nlynx", "got '# of mine' first"),
        ("a.txt", "cat,dog,fox,lynx", "break up a list"),
        ("a.txt", "cat\ndog\ncat\nlynx", "expected different names, got cat"),
        ("a.txt", "\n\n", "got none"),
        ("data.yaml", "names:\n  0: cat\n  1: dog\n  2: fox\n  3: lynx\n", "got 'names:' first, as of YAML"),
        ("data.yaml", "names: [cat, dog, fox, lynx]\nnc: 4\n", "as of YAML or a map of labels. Save the names"),
        ("map.pbtxt", 'item {\n  id: 1\n  name: "cat"\n}\n', "got 'item {' first"),
        ("a.txt", "1 cat\n2 dog\n3 fox\n4 lynx", "expected classes 0 to 3, got 1 to 4. Number them as predictions do"),
        ("a.csv", "id,name\n1,cat\n2,dog\n3,fox\n4,lynx", "expected classes 0 to 3, got 1 to 4"),
        (
            "a.json",
            '{"1": "cat", "2": "dog", "3": "fox", "4": "lynx"}',
            "expected classes 0 to 3, got 1, 2, 3 and 1 more",
        ),
        (
            "a.json",
            '{"0": "cat", "1": "dog", "2": "fox", "5": "lynx"}',
            "expected classes 0 to 3, got 0, 1, 2 and 1 more",
        ),
        ("a.json", '{"cat": 0, "dog": 0, "fox": 1, "lynx": 2}', "expected classes 0 to 3, got 0, 0, 1 and 1 more"),
        ("a.json", '{"lr": "x"}', "expected classes 0 to 0, got lr"),
        ("a.json", '["cat", null, "fox", "lynx"]', "got None"),
        ("a.json", '[["cat", "dog"], ["fox", "lynx"]]', "expected different names"),
        ("a.json", "3", "expected a list of names, got int"),
    ],
)
def test_lists_that_would_misname_are_refused_with_their_file(tmp_path, classes, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(AuditError, match=f"{name}: ") as told:
        classes(tmp_path / name)
    assert message in str(told.value)
