"""Splits by what files hold, and groups that stay whole."""

import numpy as np
import pytest
from PIL import Image

from dropmix.data import DataError, load


@pytest.fixture
def flat(tmp_path, rng):
    for c, count in (("a", 150), ("b", 60), ("rare", 4)):
        (tmp_path / "set" / c).mkdir(parents=True)
        for n in range(count):
            Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(
                tmp_path / f"set/{c}/cam{n % 7}_{n}.png"
            )
    return tmp_path / "set"


def sides(path, **options):
    dataset = load("folder", path, split="hash", **options)
    return {name: side for side in ("train", "test") for name in getattr(dataset, side).ids.tolist()}


def test_a_picture_added_or_renamed_moves_no_other(flat, rng):
    before = sides(flat)
    for number in range(10):
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(flat / f"a/0new{number}.png")
    after = sides(flat)
    assert {name: after[name] for name in before} == before
    (flat / "b/cam0_0.png").rename(flat / "b/zz.png")
    assert sides(flat)["b/zz.png"] == before["b/cam0_0.png"]
    assert sides(flat, seed=1) != sides(flat)


def test_shares_are_a_fifth_and_each_class_is_on_both_sides(flat):
    found = sides(flat)
    share = np.mean([side == "test" for side in found.values()])
    assert abs(share - 0.2) < 5 * np.sqrt(0.2 * 0.8 / len(found))
    for c in ("a", "b", "rare"):
        assert {side for name, side in found.items() if name.startswith(f"{c}/")} == {"train", "test"}


def test_copies_stand_on_one_side(flat):
    for file in sorted((flat / "a").iterdir())[:40]:
        (flat / "a" / f"copy-{file.name}").write_bytes(file.read_bytes())
    found = sides(flat)
    copies = [name for name in found if "copy-" in name]
    assert len(copies) == 40
    assert all(found[name] == found[name.replace("copy-", "")] for name in copies)


@pytest.mark.parametrize("how", ["pattern", "csv", "folder"])
def test_a_group_is_never_on_both_sides(flat, tmp_path, how):
    names = [path.relative_to(flat).as_posix() for path in sorted(flat.rglob("*.png")) if path.parent.name != "rare"]
    for path in (flat / "rare").iterdir():
        path.unlink()
    (flat / "rare").rmdir()
    groups = {name: name.split("/")[1].split("_")[0] for name in names}
    group = r"(cam\d)_"
    if how == "csv":
        group = str(tmp_path / "groups.csv")
        (tmp_path / "groups.csv").write_text("name,group\n" + "".join(f"{n},{g}\n" for n, g in groups.items()))
    if how == "folder":
        for name in names:
            new = flat / name.split("/")[0] / f"burst{int(name.split('_')[1][:-4]) % 9}" / name.split("/")[1]
            new.parent.mkdir(exist_ok=True)
            (flat / name).rename(new)
        group = "folder"
    found = sides(flat, group=group)
    assert len(found) == len(names)
    by_side = {
        side: {name.rsplit("/", 1)[0] if how == "folder" else groups[name] for name, s in found.items() if s == side}
        for side in ("train", "test")
    }
    assert not by_side["train"] & by_side["test"]
    assert by_side["train"]
    assert by_side["test"]


def test_folds_keep_groups_whole_and_predict_each_picture_once(flat):
    seen = []
    for fold in range(3):
        dataset = load("folder", flat, folds=3, fold=fold, group=r"(cam\d)_")
        groups = [{name.split("/")[1].split("_")[0] for name in part.ids} for part in (dataset.train, dataset.test)]
        assert not groups[0] & groups[1]
        assert len(groups[1]) in (2, 3)
        seen += dataset.test.ids.tolist()
    assert len(seen) == len(set(seen)) == 214


def test_pictures_without_a_group_and_groups_on_both_sides_are_named(flat, tmp_path):
    with pytest.raises(DataError, match=r"got none for 4 of 214: rare/"):
        sides(flat, group=r"(a|b)/")
    with pytest.raises(DataError, match="expected a regular pattern"):
        sides(flat, group="(")
    root = tmp_path / "both"
    for name in ("train/a/x_1.png", "train/b/y_1.png", "test/a/x_2.png", "test/b/z_1.png"):
        (root / name).parent.mkdir(parents=True)
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(root / name)
    with pytest.raises(DataError, match=r"got 1 on both: x"):
        load("folder", root, group=r"/(\w)_")
