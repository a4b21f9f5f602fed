"""Predictors from images and networks, against loops, Pillow and planted geometry."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageStat
from torch import nn

from dropmix.cli.options import grid_of
from dropmix.data import Files, Split, load
from dropmix.grid.local import GridSettings, run_grid
from dropmix.studies.image_predictors import MOST, from_images, from_network, measures, of_images
from dropmix.studies.pretrained import NetworkQuestion


def test_brightness_and_colour_variance_are_pillows():
    image = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    stat = ImageStat.Stat(Image.fromarray(image))
    found = measures(image[None])[0]
    assert found[0] == pytest.approx(np.mean(stat.mean) / 255)
    assert found[1] == pytest.approx(np.mean(stat.var) / 255**2)


def test_edges_are_counted_by_a_loop():
    image = np.random.default_rng(1).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    gray = image.mean(2) / 255

    sizes = [
        np.hypot(gray[i + 1, j] - gray[i - 1, j], gray[i, j + 1] - gray[i, j - 1]) / 2
        for i in range(1, 5)
        for j in range(1, 6)
    ]
    assert measures(image[None])[0, 2] == pytest.approx(np.mean(sizes))


def test_the_centre_holds_half_of_what_is_spread_evenly_and_all_of_what_lies_there():
    noise = np.random.default_rng(2).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    assert measures(noise)[:, 3].mean() == pytest.approx(0.5, abs=0.01)
    middle = np.zeros((1, 32, 32, 3), np.uint8)
    middle[:, 12:20, 12:20] = 255
    corner = np.zeros_like(middle)
    corner[:, :3, :3] = 255
    assert measures(middle)[0, 3] == pytest.approx(1.0)
    assert measures(corner)[0, 3] < 0.05


def test_classes_are_means_over_their_first_images(tmp_path):
    rng = np.random.default_rng(3)
    labels = np.array([0] * (MOST + 30) + [1] * 5 + [3] * 7)
    images = rng.integers(0, 256, (len(labels), 8, 8, 1), dtype=np.uint8)
    found = from_images(Split(images, labels, np.arange(len(labels))))
    assert found["training examples"].tolist() == [MOST + 30, 5, 0, 7]
    assert found["brightness"][0] == pytest.approx(images[:MOST].mean() / 255)
    assert found["brightness"][1] == pytest.approx(images[labels == 1].mean() / 255)
    for i in range(4):
        Image.fromarray(np.full((90, 70, 3), 60 * i, np.uint8)).save(tmp_path / f"{i}.png")
    files = Files(str(tmp_path), np.array([0, 0, 1, 1]), np.array([f"{i}.png" for i in range(4)]), 32)
    found = from_images(files)
    np.testing.assert_allclose(found["brightness"], [30 / 255, 150 / 255])
    assert found["edge density"].tolist() == [0, 0]


def test_a_network_tells_how_far_classes_are_apart():
    rng = np.random.default_rng(4)
    centres, spread = np.array([[0.0, 0], [4, 0], [0, 30]]), np.array([1.0, 1, 3])
    labels = np.repeat(np.arange(3), 400)
    x = torch.from_numpy(centres[labels] + rng.normal(size=(1200, 2)) * spread[labels, None] / np.sqrt(2)).float()
    model = nn.Sequential(nn.Identity(), nn.Linear(2, 3))
    question = NetworkQuestion(lambda rows: x[rows], labels, lambda images: model(images), ["a", "b", "c"], model)
    found = from_network(question)
    np.testing.assert_allclose(found["spread within the class"], spread / spread.mean(), rtol=0.1)
    np.testing.assert_allclose(found["distance to the nearest class"], [4, 4, 30 / 2], rtol=0.1)


def test_a_grid_of_digits_is_explained_by_its_images_and_networks(tmp_path):
    out = tmp_path / "grid"
    options = {"recipe": "digits", "train_per_class": 6, "epochs": 1, "seeds": 2, "methods": "cutmix", "rates": "0"}
    fingerprint = load("digits", None, train_per_class=6).fingerprint
    made = grid_of(options, [], {}).with_settings({"data.fingerprint": fingerprint})
    assert len(run_grid(made.runs, GridSettings(out), lambda _: None).done) == 4
    given, networks = of_images(out, None)
    assert set(given) >= {"training examples", "brightness", "gradient energy in the centre"}
    assert {values.shape for values in networks.values()} == {(2, 10)}
    next(out.glob("vanilla-s1*/weights.pt")).unlink()
    assert of_images(out, None)[1] == {}
