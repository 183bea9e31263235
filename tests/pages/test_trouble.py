"""Every fault is a page that says what happened, who must act and where to go."""

import pytest

from shared.faults import ConsentRequired, Fault, LinkUnknown, SignInExpired, TooLarge, Who, leaves
from shared.pages import Pages, Trouble
from shared.pages.next_steps import next_step, who_acts
from shared.texts import LANGUAGES, describe, say
from tests.pages.outline import Outline

PAGES = Pages(["https://login.microsoftonline.com"])


def trouble(fault: Fault | type[Fault], language: str = "en", reference: str | None = None) -> Outline:
    """Return a fault's page taken apart."""
    return Outline(PAGES.render(Trouble(fault), language=language, reference=reference).body.decode())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("leaf", list(leaves()), ids=lambda leaf: leaf.reason)
def test_every_fault_says_what_to_do(leaf: type[Fault], language: str) -> None:
    """Title, detail, remedy, who must act, the panel code where there is one, and a next step, in each language."""
    page = trouble(leaf, language)
    text = page.one("main").text
    texts = describe(leaf, language)
    assert page.one("h1").text == texts.title
    assert texts.detail in text
    assert texts.remedy in text
    assert say(who_acts(leaf.who), language) in text
    codes = [element.text.split()[-1] for element in page.all("p") if element.attributes.get("class") == "panel-code"]
    assert codes == ([str(leaf.code)] if leaf.code else [])
    steps = [link for link in page.all("a") if link.attributes.get("class") == "button"]
    assert [step.attributes["href"] for step in steps] == [next_step(leaf).path]
    assert steps[0].text == say(next_step(leaf).label, language)


@pytest.mark.parametrize("who", Who)
def test_everybody_who_must_act_has_words(who: Who) -> None:
    """A new value of `who` cannot be shown as its slug."""
    assert who_acts(who) != who.value


@pytest.mark.parametrize(
    ("fault", "path"), [(ConsentRequired, "/consent"), (SignInExpired, "/s"), (LinkUnknown, "/s"), (TooLarge, "/")]
)
def test_the_next_step_is_the_nearest(fault: type[Fault], path: str) -> None:
    """After a consent fault one consents, after a sign-in fault one enters a code, else one goes to the front."""
    assert next_step(fault).path == path
    assert next_step(fault()).path == path


def test_a_raised_fault_shows_its_values_and_not_its_note() -> None:
    """The limit is shown; the technical note, meant for the log, is not."""
    text = trouble(TooLarge("413 from upstream", limit=3_145_728)).one("main").text
    assert "3.1 MB" in text
    assert "upstream" not in text


def test_the_reference_is_shown_only_where_there_is_one() -> None:
    """A page without a reference does not name none."""
    assert "7b0e6a52" in trouble(TooLarge, reference="7b0e6a52").one("footer").text
    assert trouble(TooLarge).all("code") == []
    assert "help desk" not in trouble(TooLarge).one("footer").text
