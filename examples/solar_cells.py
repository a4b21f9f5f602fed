"""Make a folder of solar cells, one folder per class, from the package `elpv-dataset`.

    pip install elpv-dataset
    python examples/solar_cells.py solar

docs/solar-cells.md goes on from there to a decision.

2,624 electroluminescence photographs of real cells, 300 x 300, gray; 8 classes of 920 to 50: monocrystalline or
polycrystalline, times how sure experts were of a defect (0, 1/3, 2/3, 1). Buerhop-Lutz et al. 2018; CC BY-NC-SA 4.0.
"""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

DEFECT = {"0": "sound", "0.3333": "doubtful", "0.6667": "likely-broken", "1": "broken"}


def make_folder(target: Path) -> dict[str, int]:
    """Copy the photographs into `target/<class>/`; returns images per class."""
    package = find_spec("elpv_dataset")
    if package is None or package.origin is None:
        sys.exit("solar_cells: expected the package elpv-dataset, got none. Run pip install elpv-dataset.")
    (labels,) = Path(package.origin).parent.rglob("labels.csv")
    counts: dict[str, int] = {}
    for line in labels.read_text().splitlines():
        file, probability, kind = line.replace(",", " ").split()
        name = f"{kind}-{DEFECT[f'{float(probability):.4g}']}"
        place = target / name
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(labels.parent / file, place / Path(file).name)
        counts[name] = counts.get(name, 0) + 1
    return counts


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/solar_cells.py FOLDER")
    for label, count in sorted(make_folder(Path(sys.argv[1])).items()):
        print(f"{count:5} {label}")
