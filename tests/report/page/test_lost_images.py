"""Pictures of lost images on the page: how many, how large, in which order, and harmless names."""

import base64
from dataclasses import replace

import pytest

from dropmix.audit.measures.lost import LostImage
from dropmix.report.page.html import page
from dropmix.report.page.lost_images import BYTES, EACH, SHOWN, Pictures, strips, wanted


@pytest.fixture
def audit(real_audit):
    found = real_audit(10, seed=1)
    held = [
        [LostImage(f"{i}/{place}/{n}.png", place, "<b>owl</b>", 3, 3, 0) for place in (4, 2) for n in range(12)]
        for i, _ in enumerate(found.comparisons)
    ]
    comparisons = [replace(c, lost=lost) for c, lost in zip(found.comparisons, held)]
    return replace(found, comparisons=comparisons)


def sources(audit, pictures):
    return [[[image["source"] for image in strip["images"]] for strip in arm] for arm in strips(audit, pictures)]


def test_every_class_of_every_arm_has_its_share(audit):
    asked = wanted(audit)
    assert len(asked) == len(set(asked)) <= SHOWN
    assert {len(images) for arm in strips(audit, None) for strip in arm for images in [strip["images"]]} == {EACH}
    assert [strip["name"] for strip in strips(audit, None)[0]] == [
        audit.comparisons[0].classes["class"][i] for i in (4, 2)
    ]


def test_pictures_stay_within_their_room(audit):
    jpeg = {key: bytes(9000) for key in wanted(audit)}
    found = [source for arm in sources(audit, Pictures(jpeg)) for strip in arm for source in strip]
    assert BYTES - 12_100 < sum(len(source or "") for source in found) <= BYTES
    first = [strip[0] for arm in sources(audit, Pictures(jpeg)) for strip in arm]
    assert all(first)  # the room is shared: no class goes without for another's second picture
    small = dict.fromkeys(wanted(audit), b"jpeg")
    text = page(audit, pictures=Pictures(small, "Some are <missing>."))
    assert text.count(base64.b64encode(b"jpeg").decode()) == len(wanted(audit))
    assert "&lt;b&gt;owl&lt;/b&gt;" in text
    assert "Some are &lt;missing&gt;." in text
    assert "<b>owl</b>" not in text


def test_no_pictures_name_the_images_and_no_lost_image_says_nothing(audit, real_audit):
    text = page(audit)
    assert 'title="0/4/0.png"' in text
    assert "data:image/jpeg" not in text
    assert "Test examples that were lost" not in page(
        replace(audit, comparisons=[replace(audit.comparisons[0], lost=[])])
    )


def test_seeds_that_are_wrong_otherwise_are_counted(audit):
    lost = [LostImage("a.png", 2, "owl", 1, 3, 0), LostImage("b.png", 2, "owl", 3, 3, 0)]
    first, second = strips(replace(audit, comparisons=[replace(audit.comparisons[0], lost=lost)]), None)[0][0]["images"]
    assert first["times"].startswith("in 1 of ")
    assert first["times"].endswith("seeds, otherwise wrong in 2")
    assert second["times"].endswith(" seeds")


def test_names_alone_of_many_classes_are_folded_away(audit):
    lost = [LostImage(f"{place}.png", place, "owl", 3, 3, 0) for place in range(5)]
    many, few = (replace(audit, comparisons=[replace(audit.comparisons[0], lost=some)]) for some in (lost, lost[:2]))
    assert '<details class="lost">' in page(many)
    assert '<span class="soft">5 classes</span>' in page(many)
    assert '<details class="lost" open>' in page(few)
    assert '<details class="lost" open>' in page(many, pictures=Pictures(dict.fromkeys(wanted(many), b"jpeg")))
