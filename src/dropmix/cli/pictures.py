"""Thumbnails of the images that hurt classes lost, from where a grid's pictures lie."""

import io
from pathlib import Path
from typing import Any

SIDE, QUALITY = 112, 72
"""Longer side of a thumbnail in pixels, and its JPEG quality: about 3 KB."""


def lost_pictures(audit: Any, folder: Path, data: str | None = None) -> Any:
    """Thumbnails for the page of a grid, or a note that says why there are none.

    Args:
        audit: the audit of the grid.
        folder: the grid's folder.
        data: folder of the pictures; None for where they were when the grid was trained.
    """
    from dropmix.audit.inputs.run_folders import find_runs, group_runs
    from dropmix.data import DataError
    from dropmix.grid.store import data_folder
    from dropmix.report.page.lost_images import Pictures, wanted

    asked = wanted(audit)
    place, jpeg, notes = data or data_folder(folder), {}, []
    for group, runs in group_runs(find_runs(folder)[0]).items() if asked else ():
        settings, ids = runs[0].spec.get("data"), [key for name, key in asked if name == group]
        if not ids or not isinstance(settings, dict):
            continue
        try:
            rows, classes = _rows(settings, place)
        except DataError as error:
            lies = f"{place} ({error})" if place else "the place is not known"
            notes.append(f"The pictures are not shown: {lies}. Name their folder with --data.")
            continue
        for key in ids:
            try:
                jpeg[group, key] = _thumbnail(rows, classes, key)
            except (DataError, KeyError):
                notes.append(f"Some pictures are not shown: {place} no longer holds them as they were.")
    return Pictures(jpeg, " ".join(dict.fromkeys(notes)))


def _rows(settings: dict[str, Any], place: str | None) -> tuple[Any, dict[Any, int]]:
    """The rows that a run predicted, and the place of each id among them."""
    from dropmix.data.catalog import DATASETS, locate
    from dropmix.data.load import open_source
    from dropmix.data.readers.tables import beside
    from dropmix.data.records import DataError, pooled

    name = settings["name"]
    if name not in DATASETS:  # texts
        raise DataError(f"{name} holds no pictures")
    options = {
        key: settings.get(key, default)
        for key, default in (("exif", False), ("split", "seed"), ("group", None), ("labels", None))
    }
    options |= {"seed": settings.get("split_seed", 0), "group": None if settings.get("folds") else options["group"]}
    folder = locate(name, place)
    options |= {key: beside(options[key], folder) for key in ("group", "labels")}
    # Whole pictures, and not the square that the network saw: people look at them.
    source = open_source(name, DATASETS[name], folder, False, None, options)
    rows = pooled(source) if settings.get("folds") else source.train if settings.get("validation") else source.test
    return rows, {key: row for row, key in enumerate(rows.ids.tolist())}


def _thumbnail(rows: Any, places: dict[Any, int], key: Any) -> bytes:
    import numpy as np
    from PIL import Image

    (pixels,) = rows.pixels(np.array([places[key]]))
    picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        picture = picture.convert("L")
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    stored = io.BytesIO()
    picture.save(stored, "JPEG", quality=QUALITY, optimize=True)
    return stored.getvalue()
