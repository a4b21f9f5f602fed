import pytest

from dropmix.cli.options import grid_of
from dropmix.recipes import get_recipe


@pytest.mark.parametrize("name", ["banking77", "clinc150", "clinc150-imbalanced", "text"])
def test_recipes_for_texts(name):
    grid = get_recipe(name)
    assert grid.base.data.name == name
    assert [arm.method for arm in grid.arms[::2]] == ["vanilla", "wordmixup", "senmixup", "spancutmix"]
    assert {arm.rate for arm in grid.arms} == {0.0, 0.4}


@pytest.mark.parametrize(("recipe", "method"), [("banking77", "cutmix"), ("digits", "ssmix")])
def test_methods_of_the_other_kind_are_refused(recipe, method):
    with pytest.raises(ValueError, match=r"methods: expected one for (texts|images)"):
        grid_of({"recipe": recipe, "methods": method}, [], {})


def test_networks_of_the_other_kind_are_refused():
    with pytest.raises(ValueError, match="for text, got 'wrn28-2'"):
        grid_of({"recipe": "banking77"}, ["network=wrn28-2"], {})
    with pytest.raises(ValueError, match="network"):
        grid_of({"recipe": "digits"}, ["network=textcnn"], {})
