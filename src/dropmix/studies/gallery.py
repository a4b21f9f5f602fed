"""Pictures of what a method does: originals, partners, masks, mixed images and their label shares."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from dropmix.audit.spreadsheet import write_whole
from dropmix.data.picture import read_picture
from dropmix.msda import get_method
from dropmix.msda.binding import GIVEN
from dropmix.msda.history import History
from dropmix.msda.labels import contributions
from dropmix.msda.learned.mixer import Mixer
from dropmix.msda.mix import Mix, apply_mix, mix_images

_SIDE = 224
_MOST = 6
_COLUMNS = ("image", "partner", "share of the image", "mixed")
# Squares of scikit-learn's two sample photographs, by danielbuechele (china.jpg) and vultilion (flower.jpg), CC BY 2.0:
# name, picture, top, left, side.
_SAMPLES = (
    ("roof", "china.jpg", 20, 210, 300),
    ("flower", "flower.jpg", 20, 150, 400),
    ("pagoda", "china.jpg", 190, 20, 230),
    ("petals", "flower.jpg", 60, 230, 200),
)


def show(
    method: str,
    images: Sequence[Path] | None,
    out: Path,
    *,
    seed: int = 0,
    per: str = "sample",
    saliency: Callable[[Tensor, Tensor], Tensor] | None = None,
    **options: Any,
) -> Path:
    """Draw a method once and save a picture: one row per image, with its partner, the mask and the mixed image.

    Args:
        method: a key of `METHODS`.
        images: picture files, 2 to 6, cut to their central square; None takes squares of scikit-learn's photographs.
        out: where to save the PNG. Its folder is made.
        seed: of the draws. The first draw in which no image is its own partner is shown.
        per: one lam and box per "batch", or one per "sample", which shows more.
        saliency: saliency(x, y) -> (B, H, W) for methods that need it; None takes local contrast, a stand-in for a
            trained network's gradient that needs no network.
        options: further arguments of the method.
    Returns:
        The path of the picture.
    Raises:
        ValueError: an unknown method or option, fewer than 2 or more than 6 images, or a file that is no picture.
    Example:
        >>> from tempfile import mkdtemp
        >>> show("cutmix", None, Path(mkdtemp()) / "cutmix.png").name
        'cutmix.png'
    """
    function = get_method(method)
    known = inspect.signature(function).parameters
    unknown = sorted(set(options) - set(known))
    if unknown:
        known_names = ", ".join(sorted(set(known) - GIVEN))
        raise ValueError(f"show: expected options of {method} ({known_names}), got {', '.join(unknown)}. See its card.")
    names, x = _sample_images() if images is None else _open_images(images)
    arguments = (x, (saliency or local_contrast)(x, torch.arange(len(x)))) if "saliency" in known else (x,)
    if "teacher" in known:
        options = {"teacher": _ColourTeacher(x)} | options
    if method == "puzzlemix":
        options = {"transport_cell": 16} | options  # the official code's cell at this size
    options = {"per": per} | options
    if "mixer" in known:
        options = {"clean": 0.0, "lr": 0.01} | options
        options |= {"mixer": _learned(function, x, seed, options)}
    history = _batch_before(function, x, seed, options) if "history" in known else None
    mix = _draw(function, arguments, seed, options if history is None else options | {"history": history})
    if mix.attended is not None:
        contrast = (saliency or local_contrast)(mix_images(x, mix), torch.arange(len(x)))
        mix = mix.with_attention(torch.nn.functional.adaptive_avg_pool2d(contrast, 14), x.shape[2:])
    mixed, shares = apply_mix(x, torch.eye(len(x)), mix)
    figure = _figure(method, names, x, mix, mixed, shares, history)
    out.parent.mkdir(parents=True, exist_ok=True)
    _save(figure, out)
    return out


def local_contrast(x: Tensor, y: Tensor) -> Tensor:
    """Return each pixel's distance from the mean around it, smoothed: a saliency map without a network.

    Args:
        x: images, (B, C, H, W).
        y: not used.
    Returns:
        (B, H, W), >= 0.
    """
    del y
    pool = torch.nn.functional.avg_pool2d
    far = (x - pool(x, 31, 1, 15, count_include_pad=False)).square().mean(1, keepdim=True)
    return pool(far, 15, 1, 7, count_include_pad=False)[:, 0]


class _ColourTeacher(torch.nn.Module):
    """Stands in for a trained teacher: one class per known image, by the distance of colours on a 4 x 4 grid."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.known = self._colours(x)

    def forward(self, x: Tensor) -> Tensor:
        return -50 * (self._colours(x)[:, None] - self.known).square().mean(2)

    def _colours(self, x: Tensor) -> Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1)


class _EdgeNetwork(torch.nn.Module):
    """Stands in for a network in training: one class per known image, by the similarity of edges and their colours."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.edges = torch.nn.AdaptiveAvgPool2d(28)  # a module, so that AutoMix finds its output as the feature map
        self.known = torch.nn.functional.normalize(self._features(x))

    def forward(self, x: Tensor) -> Tensor:
        return 30 * torch.nn.functional.normalize(self._features(x)) @ self.known.T

    def _features(self, x: Tensor) -> Tensor:
        contrast = (x - torch.nn.functional.avg_pool2d(x, 5, 1, 2, count_include_pad=False)).abs()
        edges = self.edges(torch.cat([contrast, x * contrast.mean(1, keepdim=True)], 1))
        return torch.nn.functional.adaptive_avg_pool2d(edges, 7).flatten(1)


def _draw(function: Callable[..., Mix], arguments: tuple[Tensor, ...], seed: int, options: dict[str, Any]) -> Mix:
    batch = len(arguments[0])
    generator = torch.Generator().manual_seed(seed)
    mix = function(*arguments, generator=generator, **options)
    one_partner = mix.pasted_shares is None and mix.below is None
    while not mix.is_identity and one_partner and bool((mix.partner == torch.arange(batch)).any()):
        mix = function(*arguments, generator=generator, **options)
    return mix


def _batch_before(function: Callable[..., Mix], x: Tensor, seed: int, options: dict[str, Any]) -> History:
    """The same images in another order, already mixed once, as the history of a method that needs one."""
    images, shares = x.roll(1, 0), torch.eye(len(x)).roll(1, 0)
    generator = torch.Generator().manual_seed(seed)
    mix = function(images, history=History(x.roll(2, 0), torch.eye(len(x)).roll(2, 0)), generator=generator, **options)
    return History(*apply_mix(images, shares, mix))


def _learned(function: Callable[..., Mix], x: Tensor, seed: int, options: dict[str, Any]) -> Mixer:
    """What a method learns from these images alone, one class each, in 300 steps."""
    small = torch.nn.functional.adaptive_avg_pool2d(x, 56)
    network = options.pop("network", None) or _EdgeNetwork(small)
    mixer, generator = Mixer(network, seed), torch.Generator().manual_seed(seed)
    for _ in range(300):
        function(small, y=torch.arange(len(x)), mixer=mixer, generator=generator, **options)
    return mixer


def _figure(
    method: str, names: list[str], x: Tensor, mix: Mix, mixed: Tensor, shares: Tensor, history: History | None
) -> Figure:
    count = len(x)
    foremost = _foremost(mix)
    partners = x[foremost] if history is None else history.images
    partner_names = [names[j] for j in foremost] if history is None else [_label(names, s) for s in history.shares]
    own_share = mix_images(torch.ones_like(x[:, :1]), _mask_only(mix, x))
    figure = Figure(figsize=(2 * len(_COLUMNS), 2.25 * count + 0.3), layout="constrained", dpi=80)
    figure.suptitle(method, fontweight="bold")
    axes = figure.subplots(count, len(_COLUMNS), squeeze=False)
    for i, row in enumerate(axes):
        titles = (names[i], partner_names[i], f"mean {own_share[i].mean():.2f}", _label(names, shares[i]))
        for axis, picture, title in zip(row, (x[i], partners[i], own_share[i], mixed[i]), titles):
            axis.imshow(picture.clamp(0, 1).permute(1, 2, 0).numpy(), cmap="gray", vmin=0, vmax=1)
            axis.set_title(title, fontsize=8)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set(color="0.7", linewidth=0.5)  # a white mask on a white page needs an edge
    for axis, column in zip(axes[0], _COLUMNS):
        axis.set_title(f"{column}\n{axis.get_title()}", fontsize=8)
    return figure


def _save(figure: Figure, out: Path) -> None:
    """As a PNG of 256 colours: a third of the size, and no difference that shows in a documentation page."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    picture = Image.fromarray(np.ascontiguousarray(pixels)).quantize(256)
    write_whole(out, lambda part: picture.save(part, format="PNG", optimize=True))


def _mask_only(mix: Mix, x: Tensor) -> Mix:
    """The record that, applied to images of ones, shows the share of the own image at every pixel."""
    below = None if mix.below is None else _mask_only(mix.below, x)
    return Mix(mix.partner, mix.lam, mask=mix.mask, box=mix.box, pasted=torch.zeros_like(x[:, :1]), below=below)


def _foremost(mix: Mix) -> Tensor:
    """The partner of each image, the one of the largest share where there are several, (B,)."""
    if mix.below is None:
        return mix.partner
    shares, rows = (torch.stack(part) for part in zip(*contributions(mix)[1:]))
    return rows.gather(0, shares.argmax(0, keepdim=True))[0]


def _label(names: list[str], shares: Tensor) -> str:
    order = shares.argsort(descending=True, stable=True)
    return ", ".join(f"{shares[k]:.2f} {names[k]}" for k in order.tolist() if shares[k] > 0.005)


def _sample_images() -> tuple[list[str], Tensor]:
    from sklearn.datasets import load_sample_image

    squares = []
    for _, picture, top, left, side in _SAMPLES:
        pixels = load_sample_image(picture)[top : top + side, left : left + side]
        squares.append(_as_tensor(Image.fromarray(np.ascontiguousarray(pixels))))
    return [name for name, *_ in _SAMPLES], torch.stack(squares)


def _open_images(paths: Sequence[Path]) -> tuple[list[str], Tensor]:
    if not 2 <= len(paths) <= _MOST:
        raise ValueError(
            f"show: expected 2 to {_MOST} images, got {len(paths)}. Give fewer files, or none for samples."
        )
    return [path.stem for path in paths], torch.stack([_open_image(path) for path in paths])


def _open_image(path: Path) -> Tensor:
    picture = Image.fromarray(read_picture(str(path), exif=True))
    square = min(picture.size)
    left, top = (picture.width - square) // 2, (picture.height - square) // 2
    return _as_tensor(picture.crop((left, top, left + square, top + square)))


def _as_tensor(square: Image.Image) -> Tensor:
    resized = square.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255
