"""The common look of all figures, and saving them so that equal data give equal bytes."""

import functools
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from dropmix.audit.spreadsheet import write_whole
from dropmix.report.figures.fonts import use_fonts, without_boxes

# Okabe & Ito's palette, distinct for people with the common colour deficiencies. Shape, position or hatch
# always repeats what the colour says.
IMPROVED, DEGRADED, TIED = "#0072B2", "#D55E00", "#8C8C8C"
FLOOR = "#F0E442"
VANILLA, METHOD, DROPMIX = "#4D4D4D", "#CC79A7", "#009E73"
CYCLE = ["#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#0072B2", "#D55E00", "#4D4D4D"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]

_DPI = 150  # of the PNG, and of rasterised marks inside PDF and SVG
RASTER_FROM = 300  # with more marks than this, a figure stores them as pixels
NAMES_UP_TO = 120  # with more classes than this, an axis cannot hold every name

_RC: dict[Any, Any] = {
    "font.size": 8,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.titley": 1.0,  # no figure has labels above: looking for them in every drawing takes a tenth of its time
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,  # a class called "$x" is a name, not a formula
    "svg.fonttype": "none",
    "svg.hashsalt": "dropmix",
    "pdf.fonttype": 42,
}

P = ParamSpec("P")


def figure_function(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw under the report's settings and fix the layout, whatever the caller's settings are."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with settings():
            figure = draw(*args, **kwargs)
            use_fonts(figure)
            # The layout is solved here, once for all formats.
            if (engine := figure.get_layout_engine()) is not None:
                engine.execute(figure)
            figure.set_layout_engine("none")
            return figure

    return styled


class settings:
    """Context in which a figure is drawn or saved: the report's rcParams."""

    def __enter__(self) -> None:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        # Warned of while widths are measured. No box is ever shown: SVG keeps the text, `rendered` escapes the rest.
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        self._rc = matplotlib.rc_context(_RC)
        self._rc.__enter__()

    def __exit__(self, *error: object) -> None:
        self._rc.__exit__(None, None, None)
        self._warnings.__exit__(None, None, None)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches with its own canvas: no pyplot, no global list of figures."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(w_pad=0.08, h_pad=0.06)  # inches; letters are slightly wider at other resolutions
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, stem: str | Path, formats: tuple[str, ...] = ("png", "pdf", "svg")) -> list[Path]:
    """Write a figure in several formats, without dates, so that equal figures are equal files.

    Args:
        figure: from a function of this package.
        stem: path without ending; `.png`, `.pdf`, `.svg` are added.
        formats: endings that matplotlib knows.
    Returns:
        The paths written.
    """
    stem = Path(stem)
    paths = {ending: stem.with_name(f"{stem.name}.{ending}") for ending in formats}
    for ending in sorted(formats, key=lambda name: name != "svg"):
        write_whole(paths[ending], functools.partial(Path.write_bytes, data=rendered(figure, ending)))
    return list(paths.values())


def rendered(figure: Figure, ending: str) -> bytes:
    """The bytes of a figure in one format; render SVG first, since PNG and PDF may need letters replaced."""
    empty = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    out = io.BytesIO()
    with settings():
        # Escapes are longer than the letters, so the frame must grow.
        frame = "tight" if ending != "svg" and without_boxes(figure) else None
        figure.savefig(out, format=ending, dpi=_DPI, metadata=empty.get(ending), bbox_inches=frame)
    return out.getvalue()


def grid(axes: Axes, axis: str = "y") -> None:
    """Light grid lines behind the marks, along one axis or "both"."""
    axes.grid(True, axis=axis)  # type: ignore[arg-type]
    axes.tick_params(length=2.5)


def points(fractions: object) -> np.ndarray:
    """Fractions as percentage points, float64."""
    return 100 * np.asarray(fractions, dtype=float)


def mark_plot(axes: Axes, x: str, y: str) -> None:
    """Tell the page which columns an axis shows, so that hovering a class finds its mark.

    Args:
        axes: with linear scales.
        x, y: column of the page's class data; "rank" is the place among the changes, largest first.
    """
    axes.set_gid(f"marks:{x}:{y}")
