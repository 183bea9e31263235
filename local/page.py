"""A page as a person sees it, read from its HTML: title, words, links, and forms with their buttons."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin


@dataclass
class Button:
    """Something that submits a form."""

    id: str = ""
    name: str = ""
    value: str = ""
    words: str = ""


@dataclass
class Form:
    """A form: where it goes and what it would send as it stands."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[Button] = field(default_factory=list)
    asks: bool = False
    """Whether it has a field for the person, beside what it hides."""


@dataclass
class Page:
    """What the person sees: its address, status, words, links (id or words to address) and forms."""

    url: str
    status: int
    title: str = ""
    text: str = ""
    forms: list[Form] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    scripted: bool = False
    referrer_policy: str = ""

    def button(self, wanted: str) -> tuple[Form, Button] | None:
        """Find a button by id, name, value or words, in this order of trust."""
        for sort in ("id", "name", "value", "words"):
            for form in self.forms:
                for button in form.buttons:
                    if wanted and getattr(button, sort) == wanted:
                        return form, button
        return None


def read(url: str, status: int, html: str) -> Page:
    """Read a page as a person does: title, words, links, forms."""
    reader = _Reader(Page(url, status))
    reader.feed(html)
    reader.close()
    reader.page.text = " ".join(" ".join(reader.words).split())
    return reader.page


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.words: list[str] = []
        self._form: Form | None = None
        self._button: Button | None = None
        self._link = ""
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in {"script", "style", "title"}:
            self._inside.append(tag)
        if tag == "script":
            self.page.scripted = True
        elif tag == "a" and given.get("href"):
            self._link = urljoin(self.page.url, given["href"])
            if given.get("id"):
                self.page.links[given["id"]] = self._link
        elif tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").upper())
            self.page.forms.append(self._form)
        elif self._form and tag in {"input", "button", "textarea", "select"}:
            self._control(tag, given)

    def _control(self, tag: str, given: dict[str, str]) -> None:
        assert self._form
        sort = given.get("type", "submit" if tag == "button" else "text").lower()
        name, value = given.get("name", ""), given.get("value", "")
        if sort in {"submit", "image"}:
            button = Button(given.get("id", ""), name, value, value if tag == "input" else "")
            self._form.buttons.append(button)
            self._button = button if tag == "button" else None
        elif sort in {"checkbox", "radio"}:
            self._form.asks = True
            if "checked" in given and name:
                self._form.fields[name] = value or "on"
        elif name:
            self._form.asks |= sort != "hidden"
            self._form.fields[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            self._inside.remove(tag)
        if tag == "form":
            self._form = None
        elif tag == "button":
            self._button = None
        elif tag == "a":
            self._link = ""

    def handle_data(self, data: str) -> None:
        words = " ".join(data.split())
        if not words or {"script", "style"}.intersection(self._inside):
            return
        if "title" in self._inside:
            self.page.title += words
            return
        self.words.append(words)
        if self._button:
            self._button.words = f"{self._button.words} {words}".strip()
        if self._link:
            self.page.links.setdefault(words, self._link)
