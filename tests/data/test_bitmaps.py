"""BMPs of few colours against their bytes, read by hand."""

import struct

import numpy as np
import pytest

from dropmix.data import DataError
from dropmix.data.decode import decode_one
from dropmix.data.picture import read_picture

GRAYS = [(i, i, i) for i in range(256)]
PALETTES = {
    "black and white": [(0, 0, 0), (255, 255, 255)],
    "white and black": [(255, 255, 255), (0, 0, 0)],
    "black, white and gray": [(0, 0, 0), (255, 255, 255), (128, 128, 128)],
    "three grays": GRAYS[:3],
    "16 grays": GRAYS[:16],
    "16 grays to white": GRAYS[::17],
    "256 grays": GRAYS,
    "256 grays, turned round": GRAYS[::-1],
    "two colours": [(10, 20, 30), (200, 100, 50)],
}
CASES = [(name, bits) for name, colours in PALETTES.items() for bits in (1, 4, 8) if len(colours) <= 2**bits]


def bitmap(places, colours, bits, downward):
    """The bytes of a BMP; `places` (H, W) in its palette."""
    height, width = places.shape
    wide = np.zeros((height, (width * bits + 31) // 32 * 32 // bits), np.uint8)
    wide[:, :width] = places
    rows = np.packbits(np.unpackbits(wide[:, :, None], axis=2)[:, :, 8 - bits :].reshape(height, -1), axis=1)
    data = (rows if downward else rows[::-1]).tobytes()
    palette = b"".join(bytes([b, g, r, 0]) for r, g, b in colours)
    start = 54 + len(palette)
    sizes = (40, width, -height if downward else height, 1, bits, 0, len(data), 2835, 2835, len(colours), 0)
    return (
        b"BM"
        + struct.pack("<IHHI", start + len(data), 0, 0, start)
        + struct.pack("<IiiHHIIiiII", *sizes)
        + palette
        + data
    )


@pytest.mark.parametrize(("name", "bits"), CASES)
@pytest.mark.parametrize("downward", [False, True])
@pytest.mark.parametrize("width", [1, 5, 8, 33])
def test_bitmaps_of_few_colours_have_the_colours_of_their_palette(tmp_path, rng, name, bits, downward, width):
    places = rng.integers(0, len(PALETTES[name]), (7, width))
    file = tmp_path / "a.bmp"
    file.write_bytes(bitmap(places, PALETTES[name], bits, downward))
    expected = np.array(PALETTES[name], np.uint8)[places]
    np.testing.assert_array_equal(decode_one(str(file), "a", None), expected)
    np.testing.assert_array_equal(decode_one(file.read_bytes(), "a", None, exif=True), expected)
    np.testing.assert_array_equal(read_picture(str(file)), expected)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("kept", [20, 40, 60, 63, 100])
def test_a_bitmap_that_ends_early_is_named(rng, bits, kept):
    whole = bitmap(rng.integers(0, 2, (7, 33)), PALETTES["black and white"], bits, False)
    with pytest.raises(DataError, match=r"a\.bmp: expected a picture that Pillow can read"):
        decode_one(whole[:kept], "a.bmp", None)
