"""A setting has four places: the reader, the templates, ``local.settings.json`` and its page. They say the same.

Each place is then spoilt for each setting, in a copy, and the difference must be found: else nobody would learn of it
before a deployment does.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from functions import STORAGE_SETTING
from infra.bicep import HERE, File
from local.core_tools import HOSTS_OWN, contents
from local.environment import Ports, app_environment
from shared import settings
from shared.settings import Settings
from tests.test_settings import PAGE, all_settings, sections

READER = Path(settings.__file__)
SITE = "modules/site.bicep"
ARGUED = {
    "AUTHORITY_URL": "Azure's public cloud, which the templates are for",
    "GRAPH_URL": "the same",
    "SMTP_HOST": "the same",
    "OUTLOOK_SMTP_HOST": "the same",
    "CLIENT_CERTIFICATE_FILE": "the managed identity proves the app",
    "VAULT_KEY_FILE": "production refuses it",
    STORAGE_SETTING: "a connection string holds the account's key; the settings below its name stand for it",
}
"""Settings that the templates leave out, and why."""
CONNECTION = ("blobServiceUri", "queueServiceUri", "tableServiceUri", "credential", "clientId")
PLATFORM = {
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "PYTHON_THREADPOOL_THREAD_COUNT",
    *(f"AzureWebJobsStorage__{part}" for part in CONNECTION),
}
"""What the host and the worker read in Azure, and the app does not."""
ARGUED_HERE = {
    "FORMER_SERVICE_KEY": "no key is being replaced",
    "KEY_ENCRYPTION_KEY": "VAULT_KEY_FILE stands for it on one machine",
    "MANAGED_IDENTITY_CLIENT_ID": "one machine has no identity; the certificate proves the app",
    **{f"{STORAGE_SETTING}__{part}": "the connection string stands for it on one machine" for part in CONNECTION},
}
"""Settings that ``local.settings.json`` leaves out, and why."""
MACHINE = {*HOSTS_OWN, "AzureWebJobsStorage", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}


@dataclass(frozen=True)
class Places:
    """What each place says, as text."""

    reader: str
    site: str
    local: str
    page: str

    def disagreements(self) -> Iterator[str]:
        """Yield every setting that one place has and another lacks, with the place."""
        read = all_settings(_reader(self.reader))
        yield from _compared("Azure", read, _of_site(self.site), ARGUED, PLATFORM)
        yield from _compared("local.settings.json", read, set(json.loads(self.local)["Values"]), ARGUED_HERE, MACHINE)
        told = sections(self.page)
        for name in sorted(set(read) ^ set(told)):
            yield f"page: {name}"
        if list(told) != read:
            yield "page: another order than the reader's"
        needed = {name for name, section in told.items() if section.strip().endswith("Needed.")}
        for name in sorted(needed & set(ARGUED) - {STORAGE_SETTING}):
            yield f"Azure: {name} is needed"


def _compared(
    place: str, read: Sequence[str], there: AbstractSet[str], argued: Mapping[str, str], others: set[str]
) -> Iterator[str]:
    for name in sorted((set(read) - set(argued)) ^ (there - others)):
        yield f"{place}: {name}"
    for name in sorted(set(argued) - set(read)):
        yield f"{place}: {name} is argued away, and nobody reads it"
    for name in sorted(others - there):
        yield f"{place}: {name} of the host is missing"


@cache
def _reader(source: str) -> Callable[[Mapping[str, str]], Settings]:
    namespace = {"__name__": settings.__name__, "__file__": str(READER)}
    exec(compile(source, str(READER), "exec"), namespace)
    reader: Callable[[Mapping[str, str]], Settings] = namespace["read"]  # type: ignore[assignment]
    # Its exception is another class of the same name; whoever listens expects the tree's.
    namespace["SettingsInvalid"] = settings.SettingsInvalid
    return reader


@cache
def _of_site(text: str) -> frozenset[str]:
    from pycep import BicepParser

    tree = BicepParser().parse(text=text)
    return frozenset(tree["resources"]["appSettings"]["config"]["properties"])


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """The tree as it is."""
    return Places(
        READER.read_text("utf-8"),
        (HERE / SITE).read_text("utf-8"),
        contents(app_environment(tmp_path_factory.mktemp("machine"), Ports())),
        PAGE.read_text("utf-8"),
    )


def test_the_four_places_agree(places: Places) -> None:
    """No setting is forgotten, none is spelled wrongly, and none is set that nobody reads."""
    assert list(places.disagreements()) == []


def spoilt(text: str, pattern: str, name: str, *, removed: bool) -> str:
    """The text with the first group of ``pattern``, or the setting's whole line, changed."""
    found = re.search(pattern, text, re.MULTILINE)
    assert found, name
    if removed:
        return text[: found.start()] + text[found.end() :]
    return text[: found.start(1)] + f"{found[1]}X" + text[found.end(1) :]


def named(name: str) -> str:
    """How the reader's source spells a setting: those of the storage connection are put together."""
    kind = re.fullmatch(rf"{STORAGE_SETTING}__(\w+?)(ServiceUri)?", name)
    if name == STORAGE_SETTING:
        return f'account = "({name})"'
    if kind is None:
        return f'"({name})"'
    return rf'service\("({kind[1]})"\)' if kind[2] else rf"__({kind[1]})\""


@pytest.mark.parametrize("name", all_settings())
def test_a_setting_that_the_reader_renames_is_missed(places: Places, name: str) -> None:
    """For each setting: the app reads another name, and Azure or one machine, and the page, go on with the old one."""
    source = places.reader
    pattern = re.compile(named(name))
    assert pattern.search(source)
    changed = pattern.sub(lambda found: found[0].replace(found[1], f"{found[1]}X"), source)
    told = list(Places(changed, places.site, places.local, places.page).disagreements())
    assert {place.partition(":")[0] for place in told if name in place} == {"Azure", "local.settings.json", "page"}


@pytest.mark.parametrize("removed", [True, False], ids=["removed", "renamed"])
@pytest.mark.parametrize("name", [name for name in all_settings() if name not in ARGUED])
def test_a_setting_that_the_templates_lose_is_missed(places: Places, name: str, *, removed: bool) -> None:
    """For each setting of the templates: without its line, or with a letter too much."""
    site = spoilt(places.site, rf"^    ({name}): .*\n", name, removed=removed)
    told = list(Places(places.reader, site, places.local, places.page).disagreements())
    assert told == [f"Azure: {name}"] + ([] if removed else [f"Azure: {name}X"])


@pytest.mark.parametrize("removed", [True, False], ids=["removed", "renamed"])
@pytest.mark.parametrize("name", [name for name in all_settings() if name not in ARGUED_HERE])
def test_a_setting_that_one_machine_loses_is_missed(places: Places, name: str, *, removed: bool) -> None:
    """For each setting of ``local.settings.json``."""
    local = spoilt(places.local, rf"^    \"({name})\": .*\n", name, removed=removed)
    local = re.sub(r",(\s*})", r"\1", local)
    told = list(Places(places.reader, places.site, local, places.page).disagreements())
    assert told == [f"local.settings.json: {name}"] + ([] if removed else [f"local.settings.json: {name}X"])


@pytest.mark.parametrize("removed", [True, False], ids=["removed", "renamed"])
@pytest.mark.parametrize("name", all_settings())
def test_a_setting_without_its_heading_is_missed(places: Places, name: str, *, removed: bool) -> None:
    """For each setting of docs/settings.md."""
    page = spoilt(places.page, rf"^## `({name})`\n", name, removed=removed)
    told = list(Places(places.reader, places.site, places.local, page).disagreements())
    assert f"page: {name}" in told


def test_a_place_that_has_too_much_is_found(places: Places) -> None:
    """A setting that nobody reads, and one of the host's that is gone."""
    site = places.site.replace("    CLIENT_ID:", "    CLIENT_IDS: clientId\n    CLIENT_ID:")
    assert list(Places(places.reader, site, places.local, places.page).disagreements()) == ["Azure: CLIENT_IDS"]
    site = re.sub(r"^    PYTHON_THREADPOOL_THREAD_COUNT: .*\n", "", places.site, flags=re.MULTILINE)
    [found] = Places(places.reader, site, places.local, places.page).disagreements()
    assert found == "Azure: PYTHON_THREADPOOL_THREAD_COUNT of the host is missing"


def test_the_templates_are_read_as_the_checks_read_them(read_site: File, places: Places) -> None:
    """The parser's tree gives what ``infra.bicep`` gives."""
    [found] = [resource for resource in read_site.resources if resource.symbol == "appSettings"]
    assert set(found.config["properties"]) == _of_site(places.site)


@pytest.fixture(scope="module")
def read_site() -> File:
    """The function app's file."""
    return File(HERE / SITE)
