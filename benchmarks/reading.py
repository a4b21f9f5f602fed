"""Pictures per core-second, from file to a 224-pixel crop: torchvision's decoder beside Pillow, and resized copies.

    python benchmarks/reading.py --data DIR        (a folder of photographs; ImageNet's own, or any)

Photographs smaller than ImageNet's (shorter side 375) are enlarged first, and all are saved as JPEGs of quality 95; as
they hold less detail, their files are smaller than ImageNet's (110 KB). The copies are those of `dropmix resize`. One
thread; CPU time, so that other programs disturb it little; rivals take turns, and the table gives medians with the
middle half. Replaces benchmarks/results/reading.md.
"""

import argparse
import platform
import tempfile
import time
from pathlib import Path
from statistics import quantiles

import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

from dropmix.data.picture import BOX_DRAWS, random_box, read_picture, resized_crop
from dropmix.data.readers.walk import images_below
from dropmix.data.resize import resize_folder

RESULTS = Path(__file__).parent / "results"
SIZE = 224


def enlarge(file: str, to: Path) -> None:
    """Save a photograph at ImageNet's size."""
    with Image.open(file) as picture:
        rgb = picture.convert("RGB")
    scale = max(1.0, 375 / min(rgb.size))
    rgb.resize((round(rgb.width * scale), round(rgb.height * scale)), Image.Resampling.BICUBIC).save(to, quality=95)


def ours(file: str, draws: list[float]) -> None:
    """Read a picture as `dropmix.data.stream` does."""
    picture = read_picture(file)
    resized_crop(picture, random_box(*picture.shape[:2], draws), SIZE)


def by_pillow(file: str, draws: list[float]) -> None:
    """Read a picture as torchvision's ImageFolder and RandomResizedCrop do, up to the tensor."""
    with Image.open(file) as picture:
        rgb = picture.convert("RGB")
    F.pil_to_tensor(F.resized_crop(rgb, *random_box(rgb.height, rgb.width, draws), [SIZE, SIZE]))


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of photographs")
    parser.add_argument("--pictures", type=int, default=200, help="how many of them")
    parser.add_argument("--turns", type=int, default=9, help="times that each way reads all")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        whole, small = Path(place) / "whole", Path(place) / "small"
        whole.mkdir()
        files = list(images_below(given.data))
        for row, file in enumerate(files[:: max(1, len(files) // given.pictures)][: given.pictures]):
            enlarge(file, whole / f"{row}.jpg")
        resize_folder(whole, small, 256, threads=2)
        folders = {folder: list(images_below(str(folder))) for folder in (whole, small)}
        draws = torch.rand(len(folders[whole]), BOX_DRAWS, dtype=torch.float64).tolist()
        rates: dict[str, list[float]] = {}
        for _ in range(given.turns):
            for folder, paths in folders.items():
                for way in (ours, by_pillow):
                    start = time.thread_time()
                    for path, drawn in zip(paths, draws, strict=True):
                        way(path, drawn)
                    rates.setdefault(f"{folder.name}, {way.__name__}", []).append(
                        len(paths) / (time.thread_time() - start)
                    )
        sizes = {folder.name: sum(Path(path).stat().st_size for path in paths) for folder, paths in folders.items()}
    names = {"ours": "torchvision's decoder", "by_pillow": "Pillow"}
    lines = ["| pictures | KB each | read by | per core-second [middle half] |", "|---|---|---|---|"]
    for key, values in rates.items():
        folder, way = key.split(", ")
        low, middle, high = quantiles(values, n=4)
        kilobytes = sizes[folder] / len(draws) / 1000
        what = "shorter side 375" if folder == "whole" else "resized to 256"
        lines.append(f"| {what} | {kilobytes:.0f} | {names[way]} | {middle:.0f} [{low:.0f}, {high:.0f}] |")
    where = (
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread, {len(draws)} pictures."
    )
    text = "\n".join(["# Reading pictures", "", where, "", *lines, ""])
    (RESULTS / "reading.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
