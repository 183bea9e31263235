"""Every page renders in every language, is sound HTML, and shows whatever it is given as text."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.show_pages import samples
from shared.faults import TooLarge, leaves
from shared.pages import ApiDocs, Asset, ConsentStart, Pages, Trouble, View, asset
from shared.texts import LANGUAGES
from tests.pages.outline import Outline

PAGES = Pages(["https://login.microsoftonline.com"])
SAMPLES = dict(samples())
VIEWS = {name: view for name, view in SAMPLES.items() if not isinstance(view, Trouble)}
HOSTILE = "\"'></dd></code><script src=//evil.example></script><b onclick=x>{{7*7}}{% raw %}&lt;"

every_page = pytest.mark.parametrize("name", SAMPLES)
every_view = pytest.mark.parametrize("name", [*VIEWS, "trouble-too_large"])
every_language = pytest.mark.parametrize("language", LANGUAGES)


def page(view: View, language: str = "en", reference: str | None = None) -> str:
    """Return a page as text."""
    return PAGES.render(view, language=language, reference=reference).body.decode()


def outline(view: View, language: str = "en", reference: str | None = None) -> Outline:
    """Return a page taken apart."""
    return Outline(page(view, language, reference))


def test_the_samples_show_every_view_and_every_fault() -> None:
    """No page can be added without being rendered by these tests and seen by whoever looks."""
    assert {type(view) for view in SAMPLES.values()} == set(View.__subclasses__())
    shown = {type(view.fault) for view in SAMPLES.values() if isinstance(view, Trouble)}
    assert shown == set(leaves())


@every_language
@every_page
def test_a_page_is_sound(name: str, language: str) -> None:
    """Tags nest; language, title, landmark and heading are there; every id is unique and every reference resolves."""
    found = outline(SAMPLES[name], language, "7b0e6a52")
    assert found.one("html").attributes["lang"] == language
    assert found.one("title").text.strip().endswith("To My Email")
    assert found.one("h1").text.strip()
    assert found.one("main").text.strip()
    assert found.one("header")
    assert "7b0e6a52" in found.one("footer").text
    assert found.comments == []
    ids = [element.attributes["id"] for element in found.elements if "id" in element.attributes]
    assert len(set(ids)) == len(ids)
    for element in found.elements:
        for attribute in ("for", "aria-describedby", "aria-labelledby"):
            assert set((element.attributes.get(attribute) or "").split()) <= set(ids)
        target = element.attributes.get("href") or ""
        assert not target.startswith("#") or target[1:] in ids


@every_language
@every_page
def test_a_page_needs_nothing_but_itself(name: str, language: str) -> None:
    """No script, no inline style, no handler, nothing from another site; what it links of ours exists."""
    found = outline(SAMPLES[name], language)
    assert found.all("script", "style", "iframe", "object", "base") == []
    for element in found.elements:
        assert not [attribute for attribute in element.attributes if attribute.startswith("on") or attribute == "style"]
        for attribute in ("href", "src", "action"):
            address = element.attributes.get(attribute)
            if address is not None:
                assert address.startswith(("/", "#", "?language="))
                assert not address.startswith("//")
            if address is not None and address.startswith("/assets/"):
                file, _, version = address.removeprefix("/assets/").partition("?v=")
                served = asset(file, version)
                assert isinstance(served, Asset)
                assert "immutable" in served.headers["Cache-Control"]


@every_language
@every_page
def test_every_control_has_a_name(name: str, language: str) -> None:
    """Each field stands in a label or is named by one, each image has a text or says that it needs none."""
    found = outline(SAMPLES[name], language)
    named = {label.attributes.get("for") for label in found.all("label")}
    for field in found.all("input", "select", "textarea"):
        assert field.attributes.get("type") == "radio" or field.attributes["id"] in named
    for choice in found.all("label"):
        assert choice.text.strip()
    for image in found.all("img"):
        assert "alt" in image.attributes
    for button in found.all("button"):
        assert button.text.strip()
    for form in found.all("form"):
        # What is looked for may stand in an address; what changes something may not.
        assert form.attributes["method"] == ("get" if form.attributes.get("role") == "search" else "post")


@every_page
def test_a_page_differs_in_every_language(name: str) -> None:
    """No page forgot to translate its heading's surroundings."""
    assert len({outline(SAMPLES[name], language).one("main").text for language in LANGUAGES}) == len(LANGUAGES)


def poisoned(value: Any, poison: str) -> Any:
    """Return a value with every text in it, at any depth, turned hostile."""
    match value:
        case str():
            # An empty text says that something is not there, and nobody outside makes it so.
            return value + poison if value else value
        case TooLarge():
            return TooLarge(limit=poison)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{one.name: poisoned(getattr(value, one.name), poison) for one in fields(value)})
        case Mapping():
            # What decides how a schema is read stays; its texts and names do not.
            return {
                key: inner if key in {"type", "required"} and isinstance(inner, str | list) else poisoned(inner, poison)
                for key, inner in value.items()
            }
        case Sequence():
            return [poisoned(inner, poison) for inner in value]
        case _:
            return value


@every_language
@every_view
def test_hostile_text_stays_text(name: str, language: str) -> None:
    """Markup in any field of a view, and in the reference, changes no element and no attribute of the page."""
    clean = outline(SAMPLES[name], language, "reference")
    hostile = outline(poisoned(SAMPLES[name], HOSTILE), language, HOSTILE)
    assert hostile.shape() == clean.shape()
    assert HOSTILE in hostile.one("footer").text
    assert "49" not in hostile.one("footer").text


@pytest.mark.parametrize("field", ["printer", "location", "organisation", "account", "person"])
def test_a_value_is_shown_as_it_is(field: str) -> None:
    """What a printer calls itself and its people is shown letter by letter, not cleaned."""
    view = replace(SAMPLES["first-login"], **{field: HOSTILE})
    assert HOSTILE in outline(view).one("main").text


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=50, deadline=None)
@given(st.text(min_size=1), st.sampled_from(sorted(VIEWS)))
def test_any_text_can_be_shown(text: str, name: str) -> None:
    """No text breaks a page or adds a kind of element to it."""
    clean = outline(SAMPLES[name])
    shown = outline(poisoned(SAMPLES[name], text))
    assert set(shown.shape()) == set(clean.shape())


def test_half_a_surrogate_pair_does_not_break_a_page() -> None:
    """A printer can send one by a JSON escape."""
    view = poisoned(SAMPLES["first-login"], "\ud83d")
    assert "Office 2F-01?" in page(view)


def test_an_api_document_may_be_empty() -> None:
    """The page of an API without any part still stands."""
    assert outline(ApiDocs({})).one("h1")


def test_a_problem_leads_to_its_description() -> None:
    """The API description has an anchor for every reason: the `type` of a problem+json is its address."""
    ids = [element.attributes.get("id") for element in outline(ApiDocs({})).elements]
    assert {leaf.reason for leaf in leaves()} <= set(ids)


def test_a_range_promises_what_can_be_sent_now() -> None:
    """The size that an administrator reads is the one that is given, in his language's writing, or none."""
    view = SAMPLES["consent"]
    assert isinstance(view, ConsentStart)
    assert "Scans bis 25 MB." in outline(view, "de").one("main").text
    silent = replace(view, ranges=[replace(choice, largest=None) for choice in view.ranges])
    assert "Scans up to" not in outline(silent).one("main").text


def test_the_first_login_says_what_will_happen() -> None:
    """Printer, place, organisation, account and person are there, and the way out is said beside the way in."""
    text = outline(SAMPLES["first-login"]).one("main").text
    for part in ("Office 2F-01", "2nd floor, kitchen", "Contoso", "a•••@contoso.example", "Вольга Кавальчук", "4 min"):
        assert part in text
    assert "Close this page" in text
    assert "You can end it at any time" in text


def test_the_chosen_range_is_ticked() -> None:
    """Exactly the chosen range is ticked, and the form sends its slug."""
    radios = outline(SAMPLES["consent-from-printer"]).all("input")
    assert [radio.attributes["value"] for radio in radios] == ["send", "send-large", "send-verified"]
    assert [radio.attributes["value"] for radio in radios if "checked" in radio.attributes] == ["send-verified"]


def test_the_consent_says_how_far_it_is_proven() -> None:
    """The page claims for everyone only what an ordinary person's sign-in has shown."""
    waiting = outline(SAMPLES["consent-done"]).one("main").text
    confirmed = outline(SAMPLES["consent-done-confirmed"]).one("main").text
    assert "confirms it for everyone" in waiting
    assert "Now press OK on the printer." in waiting
    assert "holds for everyone" in confirmed
    assert "OK" not in confirmed


def test_jinja_is_loaded_by_the_first_page() -> None:
    """A door that shows no page does not pay for the template engine."""
    check = "import sys, shared.pages; print('jinja2' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", check], cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True
    )
    assert run.stdout.strip() == "False"
