"""Turning a chart into a figure of the page: a static SVG that names itself and takes the page's colours.

Everything that is drawn without a colour of its own is drawn in ``currentColor``, so that one figure serves light,
dark and print.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

from report.content import Figure
from report.warehouse import Row

SVG = "http://www.w3.org/2000/svg"
INK = "currentColor"

# Okabe and Ito 2008: told apart with any colour vision.
BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#F0E442"
ORANGE, VERMILION, PURPLE, GREY = "#E69F00", "#D55E00", "#CC79A7", "#A0A4A8"

ET.register_namespace("", SVG)


AXIS = {
    "labelColor": INK,
    "titleColor": INK,
    "domainColor": INK,
    "tickColor": INK,
    "gridColor": INK,
    "gridOpacity": 0.15,
    "domainOpacity": 0.5,
    "tickOpacity": 0.5,
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "labelLimit": 280,
    "titleLimit": 520,
    "maxExtent": 420,
}
LABELS = {
    "labelColor": INK,
    "titleColor": INK,
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "labelLimit": 440,
}
STYLE = {
    "background": "transparent",
    "font": "Arial, sans-serif",
    "aria": False,
    # Room for labels: a browser's font may be wider than the one the figure is measured with.
    "padding": {"left": 36, "top": 16, "right": 32, "bottom": 24},
    "view": {"stroke": None},
    "axis": AXIS,
    "axisLeft": {"titlePadding": 26},
    "legend": LABELS | {"columnPadding": 30},
    "header": LABELS,
}


def rows_named(name: str = "rows") -> alt.NamedData:
    """A place for rows in a chart; :func:`figure` is given them by this name."""
    return alt.NamedData(name)


def figure(name: str, chart: Any, data: dict[str, list[Row]], *, title: str, description: str, caption: str) -> Figure:
    """The figure of a chart.

    Parameters
    ----------
    name
        Unique on the page; ids inside the drawing begin with it.
    chart
        An altair chart of any kind on :func:`rows_named`.
    data
        The rows by name. They join the chart last, as altair copies and checks what a chart holds many times over.
    description
        What a reader who does not see the drawing needs to know.
    """
    specification = chart.to_dict(validate=False) | {"config": STYLE, "datasets": data}
    drawn = vl_convert.vegalite_to_svg(specification)
    return Figure(title, Markup(_finished(drawn, name, title, description)), caption)


def _finished(drawn: str, name: str, title: str, description: str) -> str:
    """The drawing with a title, a description and ids of its own, and without what the page forbids or does not need.

    Raises
    ------
    ValueError
        The drawing holds a script, a style or a link, which no chart of ours makes.
    """
    root = ET.fromstring(drawn)
    for element in root.iter():
        kind = element.tag.rpartition("}")[2]
        if kind in {"script", "style", "a", "image", "foreignObject"} or "style" in element.attrib:
            raise ValueError(f"the drawing '{name}' holds <{kind}> or a style attribute, which the page does not allow")
        for attribute in [key for key in element.attrib if key.startswith("aria-") or key in {"role", "class"}]:
            del element.attrib[attribute]
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-description")
    root.set("focusable", "false")
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{'title' if tag == 'title' else 'description'}"})
        element.text = text
        root.insert(position, element)
    return _own_ids(ET.tostring(root, encoding="unicode"), name)


def _own_ids(drawn: str, name: str) -> str:
    """Ids of clip paths and gradients numbered anew: unique on the page, and the same whenever it is made."""
    made: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        return made.setdefault(found[0], f"{name}-part{len(made) + 1}")

    return re.sub(r"(?<=[\"#])(?:clip|gradient_)[\w-]*\d+(?=[\")])", renamed, drawn)
