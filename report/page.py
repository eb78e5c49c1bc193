"""Turning sections into one HTML page that fetches nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from report.content import Section


@dataclass(frozen=True)
class Head:
    """What stands above and below the sections."""

    title: str
    subtitle: str
    page_title: str
    closing: str


def render(head: Head, sections: Sequence[Section]) -> str:
    """The page as HTML. All text is escaped; the only styles are the page's own, allowed by their hash."""
    environment = Environment(
        loader=PackageLoader("report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _with_code
    style = resources.files("report").joinpath("templates", "style.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        title=head.title,
        subtitle=head.subtitle,
        page_title=head.page_title,
        closing=head.closing,
        sections=sections,
        style=Markup(style),
        policy=policy(style),
    )


def policy(style: str) -> str:
    """A Content-Security-Policy that allows this style and nothing else, from nowhere."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _with_code(text: str) -> Markup:
    """``text`` escaped, with what stands between pairs of backticks as code."""
    parts = str(text).split("`")
    if len(parts) % 2 == 0:
        return Markup(escape(text))
    marked = [Markup("<code>%s</code>") % part if place % 2 else escape(part) for place, part in enumerate(parts)]
    return Markup("").join(marked)
