"""The report as one HTML page that needs no other file and no network."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from markupsafe import Markup, escape

from dropmix.audit.quantities.words import PLURAL, noun, size
from dropmix.audit.several_arms import answer
from dropmix.audit.wording import verdict_parts
from dropmix.report.decision import standing, stricter, tolerance_words, worst_first
from dropmix.report.display_names import all_notes, clean, comparison_title, number, plain_arms, visible
from dropmix.report.flows import top_flows
from dropmix.report.page.class_data import class_data
from dropmix.report.page.lost_images import Pictures, strips
from dropmix.report.page.short_tables import given_back, line, readings, rows_without_script
from dropmix.report.tables.paper_layout import paper_table
from dropmix.report.tables.render import layout
from dropmix.report.tables.slices import slice_rows

if TYPE_CHECKING:
    from dropmix.audit.result import Audit
    from dropmix.report.figures.catalog import Plate

PAGE_BYTES = 1_900_000  # figures that would exceed it are left out
FIGURES = 12  # over all arms: drawing one takes a fifth of a second
FIGURES_OF_MANY = 6  # with more than four arms, or more than 300 classes
ROWS_WITHOUT_SCRIPT = 600  # rows of the class tables without script, over all arms
HURT_NAMED = 12  # hurt classes per arm that are listed above the class table
_SCRIPTS = ("state", "guarantee", "table", "sets", "figures", "start")  # parts use constants of earlier ones
_ORDER = (  # which figures come first if the page gets large
    "rate-curves",
    "recall-changes",
    "baseline-against-treated",
    "seed-spread",
    "confusion-flow",
    "confidence-against-recall",
    "best-and-worst",
)


@dataclass(frozen=True)
class Shown:
    """A figure on the page: its markup, or None if the figure is left out."""

    plate: "Plate"
    svg: Markup | None


def page(
    audit: "Audit",
    plates: "Sequence[Plate]" = (),
    card: Mapping[str, Any] | None = None,
    downloads: Sequence[str] = (),
    figures: bool = False,
    pictures: Pictures | None = None,
) -> str:
    """Write the page.

    Args:
        audit: what was found.
        plates: figures, from `dropmix.report.figures.catalog.plates`; at most `FIGURES` of them are drawn.
        card: how the runs were made: nested dicts of text, shown as they are.
        downloads: names of files beside the page.
        figures: whether `figures/<stem>.svg` will lie beside the page, for links to figures that are left out.
        pictures: thumbnails of lost images; None names these alone.
    Returns:
        HTML of at most about 2 MB.
    """
    template = _environment().get_template("report.html")
    script = _script()
    arms = _arms(audit)
    context = {
        "title": _title(audit, card),
        "facts": _facts(audit),
        "csp_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "script": Markup(script),
        "style": Markup(_resource("report.css")),
        "data": Markup(_json(class_data(audit))),
        "answer": visible(answer(audit.comparisons)),
        "notes": all_notes(audit),
        "table": layout(paper_table(audit)),
        "floors": any(number(c.summary, "floor_n_degraded") is not None for c in audit.comparisons),
        "level": audit.settings.get("level", 0.9),
        "tolerance": _tolerance(audit),
        "stricter": stricter(_rows(audit)),
        "rows": _rows(audit),
        "row_noun": noun(audit.comparisons[0].classes),
        "macro": any(arm["summary"]["gain_macro"] is not None for arm in arms),
        "few": any(arm["n_too_few"] for arm in arms),
        "arms": arms,
        "lost": strips(audit, pictures),
        "lost_note": pictures.note if pictures else "",
        "card": dict(card or {}),
        "downloads": list(downloads),
        "linked": figures,
    }
    bare = template.render(context | {"shared": _links(plates, None), "figures": _by_arm(audit, plates, {})})
    room = PAGE_BYTES - len(bare.encode("utf-8", "replace"))
    svgs = _affordable(plates, room, _most(audit), worst_first(audit.comparisons))
    shared = [Shown(p, svgs.get(p.stem)) for p in plates if p.arm is None]
    return template.render(context | {"shared": shared, "figures": _by_arm(audit, plates, svgs)})


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_resource),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "size": size,
        "clean": clean,
        "points": _points,
        "sign": _signed,
        "minus": _minus,
        "subscript": _subscript,
        "kind": _kind,
    }
    environment.tests["nested"] = lambda value: isinstance(value, Mapping)
    return environment


def _resource(name: str) -> str:
    return files("dropmix.report.page").joinpath(f"templates/{name}").read_text("utf-8")


def _script() -> str:
    """The parts of the page's script, in one scope of their own."""
    parts = "\n".join(_resource(f"{name}.js") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _points(fraction: float | None) -> str:
    """A fraction as percent with two decimals, "–" for none."""
    return "–" if fraction is None or fraction != fraction else f"{100 * fraction:.2f}"


def _signed(fraction: float | None) -> str:
    """A change in points, with a sign and a true minus."""
    if fraction is None or fraction != fraction:
        return "–"
    text = f"{100 * fraction:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else _minus(text)


def _minus(text: str) -> str:
    """Turn a hyphen before a number into a minus, and a lone hyphen into a dash."""
    return "–" if text == "-" else "−" + text[1:] if re.fullmatch(r"-[\d.]+", text) else text


def _kind(decision: str) -> str:
    """The style class of a decision on a class or an arm."""
    return {"ship": "good", "safe": "good", "do not ship": "bad", "hurt": "bad"}.get(decision, "open")


def _subscript(heading: str) -> Markup:
    """The paper's symbols: what follows an underscore becomes a subscript."""
    return Markup(re.sub(r"_(\w+)", r"<sub>\1</sub>", str(escape(heading))))


def _tolerance(audit: "Audit") -> str:
    tolerances = [c.classes["tolerance"] for c in audit.comparisons if "tolerance" in c.classes]
    return tolerance_words(np.concatenate(tolerances)) if tolerances else ""


def _rows(audit: "Audit") -> str:
    """What the rows of the class tables are."""
    return PLURAL[noun(audit.comparisons[0].classes)]


def _title(audit: "Audit", card: Mapping[str, Any] | None) -> str:
    name = (card or {}).get("title")
    if name or len(audit.comparisons) > 1:
        return clean(name) if name else "Which classes does the augmentation hurt?"
    return f"Which classes does {comparison_title(audit.comparisons[0])} hurt?"


def _facts(audit: "Audit") -> list[str]:
    """What was compared, in a few short facts."""
    c = audit.comparisons
    seeds = {number(x.summary, f"seeds_{side}") or 0 for x in c for side in ("baseline", "treated")}
    bases = " or ".join(dict.fromkeys(clean(x.baseline) for x in c))
    return [
        f"{_counted({len(c)}, 'arm', 'arms')} against {bases}",
        _counted({len(x.classes["class"]) for x in c}, noun(c[0].classes), _rows(audit)),
        _counted(
            {int(number(x.summary, "n_examples") or np.sum(x.classes["n"])) for x in c}, "test example", "test examples"
        ),
        _counted({int(s) for s in seeds}, "seed", "seeds") + " per arm",
    ]


def _counted(values: set[int], one: str, many: str) -> str:
    numbers = " or ".join(f"{v:,}" for v in sorted(values))
    return f"{numbers} {one if values == {1} else many}"


def _links(plates: "Sequence[Plate]", arm: int | None) -> list[Shown]:
    return [Shown(p, None) for p in plates if p.arm == arm]


def _by_arm(audit: "Audit", plates: "Sequence[Plate]", svgs: Mapping[str, Markup]) -> list[list[Shown]]:
    return [[Shown(p, svgs.get(p.stem)) for p in plates if p.arm == i] for i in range(len(audit.comparisons))]


def _most(audit: "Audit") -> int:
    many = len(audit.comparisons) > 4 or max(len(c.classes["class"]) for c in audit.comparisons) > 300
    return FIGURES_OF_MANY if many else FIGURES


def _affordable(plates: "Sequence[Plate]", room: int, most: int, arms: Sequence[int]) -> dict[str, Markup]:
    """The SVG of up to `most` figures that fit into `room` bytes, by stem; arms come in this order."""
    if not plates:
        return {}
    from dropmix.report.figures.style import rendered
    from dropmix.report.page.svg import inline_svg

    svgs: dict[str, Markup] = {}
    rank = {kind: i for i, kind in enumerate(_ORDER)}
    # All figures of the arms that come first, rather than one of each: an arm is judged by all of its figures.
    place = {None: -1} | {arm: i for i, arm in enumerate(arms)}
    order = sorted(range(len(plates)), key=lambda i: (place[plates[i].arm], rank.get(plates[i].kind, len(rank))))
    for i in order[:most]:
        plate = plates[i]
        figure = plate.draw()
        svg = inline_svg(figure, rendered(figure, "svg"), f"f{i}-", f"{plate.title}. {plate.caption}")
        size = len(svg.encode("utf-8", "replace"))
        if size <= room:
            room -= size
            svgs[plate.stem] = Markup(svg)
    return svgs


def _arms(audit: "Audit") -> list[dict[str, Any]]:
    """What the page says about each arm, in words and numbers."""
    room = ROWS_WITHOUT_SCRIPT // max(len(audit.comparisons), 1)
    named = max(min(HURT_NAMED, 300 // max(len(audit.comparisons), 1)), 1)
    arms = []
    for c, plain in zip(audit.comparisons, plain_arms(audit)):
        s = standing(c)
        back = [] if plain is None else given_back(c, plain)
        lead, *rest = map(visible, verdict_parts(c))
        others = [i for i in s.hurt if i not in s.protected]
        arms.append(
            {
                **vars(s),
                "mark": s.mark,
                # The word of the decision stands above it, large.
                "lead": _opened(lead.partition(": ")[2], c.classes["class"]) if s.decision else lead,
                "rest": rest,
                "slices": slice_rows(c),
                "protected_rows": [line(c, i) for i in s.protected],
                "hurt_rows": [line(c, i) for i in others[:named]],
                "more_hurt": len(others[named:]),
                "given_back": back[:named],
                "more_back": len(back[named:]),
                "readings": readings(c, named),
                "baseline": clean(c.baseline),
                "one_seed": len(c.recalls_baseline) == len(c.recalls_treated) == 1,
                "summary": {key: number(c.summary, key) for key in ("accuracy_treated", "gain", "gain_macro")},
                "classes": c.classes,
                "plain_rows": rows_without_script(c, room),
                "flows": top_flows(c),
            }
        )
    return arms


def _opened(sentence: str, names: Sequence[Any]) -> str:
    """The sentence with a capital, unless it opens with the name of a class, which stays as it is."""
    named = any(sentence.startswith(visible(str(name))) for name in names)
    return sentence if named else f"{sentence[:1].upper()}{sentence[1:]}"


def _json(data: Any) -> str:
    """JSON that cannot close the script element around it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
