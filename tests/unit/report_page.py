"""Reading a page of the report back: its elements, attributes, ids and visible text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "input", "link", "wbr"}


@dataclass
class Page(HTMLParser):
    """Elements in order with their attributes, text without markup, and tags that were not closed in order."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    by_section: dict[str, list[str]] = field(default_factory=dict)
    section: str = ""

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self.section = dict(attrs).get("id") or ""
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element, which is closed already."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check that what is closed was opened last."""
        if not self.open_tags or self.open_tags.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        """Keep text as a reader sees it."""
        if self.open_tags and self.open_tags[-1] == "style":
            return
        self.pieces.append(data)
        self.by_section.setdefault(self.section, []).append(data)

    @property
    def text(self) -> str:
        """All text, blanks and line ends as one blank."""
        return " ".join(" ".join(self.pieces).split())

    def text_of(self, section: str) -> str:
        """The text of a section."""
        return " ".join(" ".join(self.by_section.get(section, [])).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def read_page(html: str) -> Page:
    """The page as parsed."""
    page = Page()
    page.feed(html)
    page.close()
    return page
