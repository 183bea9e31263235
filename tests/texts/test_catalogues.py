"""The catalogues are complete, and a missing one is loud."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from shared.faults import OutcomeUnknown, TooLarge, leaves
from shared.texts import LANGUAGES, describe, say, translator

ROOT = Path(__file__).parents[2]
TRANSLATED = [language for language in LANGUAGES if language != "en"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Every text marked in the source, collected as `make texts` does it."""
    template = tmp_path_factory.mktemp("texts") / "messages.pot"
    babel = [sys.executable, "-m", "babel.messages.frontend", "extract"]
    options = ["--mapping-file", "shared/texts/babel.cfg", "--keywords", "say", "--output-file", str(template)]
    subprocess.run([*babel, *options, "shared", "functions"], cwd=ROOT, check=True, capture_output=True)
    return read(template)


def read(path: Path) -> Catalog:
    """Read a catalogue file."""
    with path.open("rb") as file:
        return read_po(file)


def written(language: str) -> Catalog:
    """Read a language's own file."""
    return read(ROOT / "shared/texts/locale" / language / "LC_MESSAGES/messages.po")


def keys(catalogue: Catalog) -> set[tuple[str | None, str]]:
    """Return context and English text of every message."""
    return {(message.context, str(message.id)) for message in catalogue if message.id}


def places(text: str) -> set[str]:
    """Return the names of a text's placeholders."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def messages(catalogue: Catalog) -> list[Message]:
    """Return the messages without the header."""
    return [message for message in catalogue if message.id]


def test_the_collection_reaches_code_and_templates(source: Catalog) -> None:
    """Texts of faults, `say`, page templates and doors are all found; else the tests below would prove nothing."""
    found = {text for _, text in keys(source)}
    assert {leaf.title for leaf in leaves()} <= found
    assert "{number} MB" in found
    assert "Sign in with Microsoft" in found
    assert "Scan the code with your phone, or open {address} and enter {code}." in found


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_and_none_is_left_over(source: Catalog, language: str) -> None:
    """A catalogue holds exactly the texts of the source, each with a translation."""
    catalogue = written(language)
    assert keys(catalogue) == keys(source)
    assert [message.id for message in messages(catalogue) if not message.string] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_is_a_guess(language: str) -> None:
    """Nothing is fuzzy and nothing obsolete is kept."""
    catalogue = written(language)
    assert [message.id for message in messages(catalogue) if message.fuzzy] == []
    assert not catalogue.obsolete


@pytest.mark.parametrize("language", TRANSLATED)
def test_placeholders_survive_translation(language: str) -> None:
    """A translation fills in exactly the values that the English text names."""
    for message in messages(written(language)):
        assert places(str(message.string)) == places(str(message.id)), message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_sentence_stays_a_sentence(language: str) -> None:
    """A translation ends with a full stop, a question mark or a colon exactly where the English text does."""
    ending = re.compile(r"[.?:]$")
    for message in messages(written(language)):
        if message.context is None:
            assert bool(ending.search(str(message.string))) == bool(ending.search(str(message.id))), message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_compiled_catalogue_is_the_written_one(language: str) -> None:
    """What runs is what was written: a catalogue compiled before the last change is noticed."""
    compiled = translator(language)
    for message in messages(written(language)):
        text = str(message.id)
        spoken = compiled.pgettext(message.context, text) if message.context else compiled.gettext(text)
        assert spoken == message.string


def test_a_catalogue_that_was_not_compiled_is_an_error(tmp_path: Path) -> None:
    """Without its compiled file a language is refused with the remedy, and does not turn into English."""
    shutil.copytree(ROOT / "shared", tmp_path / "shared", ignore=shutil.ignore_patterns("*.mo", "__pycache__"))
    run = subprocess.run(
        [sys.executable, "-c", "from shared.texts import say; print(say('Printer', 'de'))"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    assert run.stdout == ""
    assert "make install" in run.stderr


def test_a_deployment_without_the_written_catalogues_speaks_every_language(tmp_path: Path) -> None:
    """What is deployed holds the compiled catalogues alone (.funcignore), and offers the same languages."""
    shutil.copytree(ROOT / "shared", tmp_path / "shared", ignore=shutil.ignore_patterns("*.po", "__pycache__"))
    script = "from shared.texts import *; print(*LANGUAGES, say('Printer', negotiate('de-AT')))"
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert run.stdout.split() == [*LANGUAGES, "Drucker"]


def test_an_unknown_language_is_an_error() -> None:
    """Only negotiated languages are spoken."""
    with pytest.raises(ValueError, match="no such language"):
        translator("xx")


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_said_is_nothing_shown(language: str) -> None:
    """The empty text stays empty; gettext itself would answer the catalogue's header."""
    assert say("", language) == ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fault_is_described(language: str) -> None:
    """Each leaf has a title, a detail and a remedy in each language, without an open placeholder."""
    for leaf in leaves():
        texts = describe(leaf, language)
        for text in (texts.title, texts.detail, texts.remedy):
            assert text
            assert "{" not in text


def test_a_fault_fills_its_own_texts() -> None:
    """Values come from the raised fault, others win over them, and a number of bytes is written as a size."""
    assert "At most 2.9 MB" in describe(TooLarge(limit="2.9 MB"), "en").detail
    assert "3,1 MB" in describe(TooLarge(limit=3_145_728), "de").detail
    assert "3,1 МБ" in describe(TooLarge, "be", limit=3_145_728).detail
    assert "5 kB" in describe(TooLarge(limit="2.9 MB"), "en", limit=5_000).detail


def test_a_forgotten_value_is_shown_as_unknown() -> None:
    """A fault read back from its stored reason, without its values, still gives a readable sentence."""
    assert describe(TooLarge, "en").detail.startswith("At most … can be sent")


def test_languages_differ() -> None:
    """A person who reads German or Belarusian does not get English."""
    assert len({describe(OutcomeUnknown, language).title for language in LANGUAGES}) == len(LANGUAGES)
