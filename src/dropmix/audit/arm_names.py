"""Names of arms for people: one spelling in the verdict, the tables and the figures."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TITLES = {
    "vanilla": "Vanilla",
    "mixup": "Mixup",
    "cutmix": "CutMix",
    "mixup_cutmix": "Mixup + CutMix",
    "comixup": "Co-Mixup",
    "supermix": "SuperMix",
    "puzzlemix": "PuzzleMix",
    "resizemix": "ResizeMix",
    "recursivemix": "RecursiveMix",
    "saliencymix": "SaliencyMix",
    "attentivemix": "Attentive CutMix",
    "snapmix": "SnapMix",
    "tokenmix": "TokenMix",
    "transmix": "TransMix",
    "samplepairing": "SamplePairing",
    "fmix": "FMix",
    "gridmix": "GridMix",
    "manifoldmix": "Manifold Mixup",
    "smoothmix": "SmoothMix",
    "wordmixup": "wordMixup",
    "senmixup": "senMixup",
    "spancutmix": "Span CutMix",
    "ssmix": "SSMix",
    "automix": "AutoMix",
}
OF_CLASSES = ("rates", "partners", "confusions", "withhold")
"""Fields of an arm in a spec that say something of single classes or of pairs of them; absent if they say nothing."""
MOST_BYTES = 10_000_000  # of a spec.json
_RATE = re.compile(r"(?:^|\s)r=(\d+(?:\.\d*)?|\.\d+)(?=\s|$)")


@dataclass(frozen=True)
class ArmName:
    """What an arm is: its method and its DropMix rate.

    Attributes:
        method: with the options that are not default ("mixup", "mixup alpha=0.2").
        rate: the DropMix rate, in [0, 1]; 0 without DropMix.
    """

    method: str
    rate: float

    @property
    def plain(self) -> str:
        """The same method without DropMix, where unit and rates of dropping have no meaning."""
        return " ".join(word for word in self.method.split() if not word.startswith(("unit=", "rates=")))


def parse_arm(name: str) -> ArmName:
    """Split the name of an arm of a foreign file into method and DropMix rate; `arm_of_spec` reads our own runs.

    The rate is the word `r=<number>`; every other word belongs to the method, so that arms
    with different options are never shown as one method.

    Example:
        >>> parse_arm("mixup r=0.4")
        ArmName(method='mixup', rate=0.4)
        >>> parse_arm("my own augmentation")
        ArmName(method='my own augmentation', rate=0.0)
    """
    match = _RATE.search(name)
    if not match or float(match[1]) > 1:
        return ArmName(" ".join(name.split()), 0.0)
    return ArmName(" ".join((name[: match.start()] + name[match.end() :]).split()), float(match[1]))


def arm_of_spec(arm: Mapping[str, Any]) -> ArmName:
    """Method and rate of an arm as a run's spec.json holds them.

    Args:
        arm: the part `arm` of a spec: `name`, and `method`, `rate`, `unit`, `per` and `options`; if method or rate is
            missing, the name is parsed.
    Returns:
        The method as our own names spell it; for an arm with a name of its own, the method with all its options.

    Example:
        >>> arm_of_spec({"name": "mixup alpha=0.2 r=0.4", "method": "mixup", "rate": 0.4, "options": {"alpha": 0.2}})
        ArmName(method='mixup alpha=0.2', rate=0.4)
        >>> arm_of_spec({"name": "half of them r=0.9", "method": "mixup", "rate": 0.5, "options": {"alpha": 1.0}})
        ArmName(method='mixup alpha=1.0', rate=0.5)
    """
    method, rate = arm.get("method"), arm.get("rate")
    if not isinstance(method, str) or rate is None:
        return parse_arm(arm["name"])
    words = [word for word in arm["name"].split() if not (rate and word == f"r={rate:g}")]
    if words[:1] != [method]:
        options = {**(arm.get("options") or {}), "per": arm.get("per", "batch"), "unit": arm.get("unit", "batch")}
        options |= {key: _digest(arm[key]) for key in OF_CLASSES if arm.get(key)}
        words = [method, *(f"{key}={value}" for key, value in sorted(options.items()) if value != "batch")]
    return ArmName(" ".join(words), float(rate))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:6]


def arm_beside(predictions: Path, name: str) -> ArmName | None:
    """Method and rate from the spec.json beside a file of predictions; None if none there names this arm."""
    beside = predictions.parent / "spec.json"
    try:
        if not beside.is_file() or beside.stat().st_size > MOST_BYTES:
            return None
        arm = json.loads(beside.read_bytes())["arm"]
        return arm_of_spec(arm) if arm["name"] == name else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def method_title(method: str) -> str:
    """A method's name as papers print it; an unknown name stays as it is.

    Example:
        >>> method_title("cutmix"), method_title("mixup alpha=0.2"), method_title("in-house")
        ('CutMix', 'Mixup alpha=0.2', 'in-house')
    """
    first, _, rest = method.partition(" ")
    return " ".join(filter(None, (_TITLES.get(first, first), rest)))


def arm_title(name: str) -> str:
    """An arm's name as a heading.

    Example:
        >>> arm_title("mixup r=0.4")
        'Mixup + DropMix, r = 0.4'
    """
    arm = parse_arm(name)
    title = clean(method_title(arm.method))
    return f"{title} + DropMix, r = {arm.rate:g}" if arm.rate else title


_BASELINES = frozenset(
    "base plain none control reference ref standard normal original orig erm default before old current "
    "production".split()
)
# "no", "without", "unmixed", "noaug": a baseline whatever follows.
_WITHOUT = re.compile("vanilla|baseline|no|non|without|(?:no|non|un)(?:[a-z]*mix|aug|treat).*")
# Words of what was changed; "mixer" and "mixnet" are networks.
_CHANGED = re.compile("[a-z]*mix|[a-z]*mixup|augment.*|treat.*")


def baseline_ranks(names: Sequence[str]) -> list[int]:
    """How much each arm's name is that of a baseline: 2 by its words, 0 if it names what was changed, else 1.

    Words that all names share say nothing. "base" and the like count if nothing else tells the arm apart, as they are
    also names of networks.

    Example:
        >>> baseline_ranks(["net-plain", "net-no-mixup", "net-cutmix"]), baseline_ranks(["vit_base", "resnet50"])
        ([2, 2, 0], [1, 1])
    """
    words = [re.findall("[a-z]+", name.lower()) for name in names]
    shared = set.intersection(*map(set, words)) if words else set()
    return [_rank([word for word in own if word not in shared]) for own in words]


def _rank(words: list[str]) -> int:
    if any(_WITHOUT.fullmatch(word) for word in words) or (words and _BASELINES.issuperset(words)):
        return 2
    return 0 if any(_CHANGED.fullmatch(word) for word in words) else 1


_SHOWN_BY_NAME = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_JOINERS = "\u200c\u200d"  # needed to spell some scripts and emoji


def visible(text: object) -> str:
    """Foreign text on one line, with everything invisible shown as an escape.

    Control characters can forge lines of a terminal and are forbidden in SVG; bidirectional ones reverse the text
    around them. Escapes also keep apart names that would otherwise look the same.

    Example:
        >>> print(visible("a\\x1b[2J\\n\\u202eb"))
        a\\x1b[2J\\n\\u202eb
    """
    line = str(text)
    if line.isprintable():  # the usual case; a blank is printable, every other space is not
        return line
    return "".join(c if c.isprintable() else _escaped(c) for c in line)


def _escaped(c: str) -> str:
    if c in _SHOWN_BY_NAME:
        return _SHOWN_BY_NAME[c]
    code = ord(c)
    drawn = c in _JOINERS or unicodedata.category(c) in ("Zs", "Co", "Cn")  # other spaces, private and future letters
    if drawn and code & 0xFFFE != 0xFFFE:  # the last two of each plane are no letters: XML refuses them
        return c
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def clean(text: object) -> str:
    """`visible` text without repeated blanks, or blanks at its ends.

    Example:
        >>> print(clean("a\\x00b   c "))
        a\\x00b c
    """
    return " ".join(visible(text).split())
