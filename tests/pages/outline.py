"""A page as a browser would take it apart, for the tests: strict where a browser forgives."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"br", "img", "input", "link", "meta"}


@dataclass
class Element:
    """One element: its name, its attributes and the text inside it."""

    name: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Outline(HTMLParser):
    """All elements of a page in order; raises AssertionError where tags are not closed in order."""

    page: str
    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read the page."""
        super().__init__(convert_charrefs=True)
        self.feed(self.page)
        self.close()
        assert self.open == [], "elements are left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an opening tag."""
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> has an attribute twice"
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        """Take a closing tag, which must close what was opened last."""
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1].name == tag, f"</{tag}> closes <{self.open[-1].name}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        """Take a text; it belongs to every element that is open."""
        for element in self.open:
            element.text += data

    def handle_comment(self, data: str) -> None:
        """Take a comment."""
        self.comments.append(data)

    def all(self, *names: str) -> list[Element]:
        """Return the elements of these names."""
        return [element for element in self.elements if element.name in names]

    def one(self, name: str) -> Element:
        """Return the only element of a name."""
        (element,) = self.all(name)
        return element

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return names of elements and attributes, without any text."""
        return [(element.name, tuple(element.attributes)) for element in self.elements]
