"""The package: what is in it and what is not, the same bytes each time, and bytecode that needs no look at times."""

import importlib.util
import json
import marshal
import re
import shutil
import sys
import zipfile
from pathlib import Path
from types import CodeType

import pytest

from infra import sbom
from infra.package import HOUSE, ROOT_FILES, NotBuiltError, build, sources

PYTHON = Path(sys.executable)
UNCHECKED_HASH = 1
"""Bits of a .pyc's flags (PEP 552): a hash in place of a time, and nobody looks at the source."""


@pytest.fixture(scope="module")
def vendored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Something installed: one distribution with a module."""
    site = tmp_path_factory.mktemp("site")
    (site / "thing.py").write_text(
        "NAMES = {'a', 'b', 'c', 'd'}\n\n\ndef f(x: int) -> bool:\n    return x in {1, 2, 3}\n"
    )
    info = site / "Some_Thing-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: Some_Thing\nVersion: 1.2\nLicense-Expression: MIT\n")
    return site


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, vendored: Path) -> Path:
    """A package of this tree; the folder that it was built into."""
    destination = tmp_path_factory.mktemp("built")
    build(destination, PYTHON, vendored=vendored)
    return destination


def names(built: Path) -> list[str]:
    """What is in the zip."""
    with zipfile.ZipFile(built / "to-my-email.zip") as archive:
        return archive.namelist()


def test_the_package_holds_the_app_and_nothing_else(built: Path) -> None:
    """Doors, rooms, texts and templates are in it; tests, tools, documents, sources of texts and settings are not."""
    packed = set(names(built))
    assert {"function_app.py", "host.json", "requirements.txt", "functions/front.py", "shared/settings.py"} <= packed
    assert {path for path in packed if path.endswith(".mo")} == {
        path.relative_to(HOUSE).with_suffix(".mo").as_posix() for path in HOUSE.glob("shared/**/*.po")
    }
    assert {path.relative_to(HOUSE).as_posix() for path in HOUSE.glob("shared/pages/templates/*")} <= packed
    tops = {path.split("/")[0] for path in packed}
    assert tops == {".python_packages", "__pycache__", "functions", "shared", *ROOT_FILES}
    assert not [path for path in packed if path.endswith((".po", ".pot", ".cfg", "local.settings.json", ".pem"))]


def test_every_module_has_bytecode_that_is_never_compared(built: Path) -> None:
    """Without valid bytecode a start costs five times as much; unpacking changes times, so none is compared."""
    packed = set(names(built))
    tag = sys.implementation.cache_tag
    with zipfile.ZipFile(built / "to-my-email.zip") as archive:
        for path in sorted(path for path in packed if path.endswith(".py")):
            folder, _, name = path.rpartition("/")
            compiled = f"{folder}/__pycache__/{name[:-3]}.{tag}.pyc".lstrip("/")
            assert compiled in packed
            content = archive.read(compiled)
            assert content[:4] == importlib.util.MAGIC_NUMBER
            assert int.from_bytes(content[4:8], "little") == UNCHECKED_HASH
            assert content[8:16] == importlib.util.source_hash(archive.read(path))
            code = marshal.loads(content[16:])
            assert isinstance(code, CodeType)
            assert code.co_filename == f"/home/site/wwwroot/{path}"


def test_two_builds_are_the_same_to_the_byte(built: Path, vendored: Path, tmp_path: Path) -> None:
    """From another folder, with other file times and leftovers of other runs, the same package comes out."""
    other = tmp_path / "elsewhere" / "deeper"
    for relative in sources(HOUSE):
        (other / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HOUSE / relative, other / relative)
    for po in HOUSE.glob("shared/**/*.po"):
        (other / po.relative_to(HOUSE)).with_suffix(".mo").write_bytes(b"of another run")
    (other / "shared" / "__pycache__").mkdir()
    (other / "shared" / "__pycache__" / "old.cpython-313.pyc").write_bytes(b"old")
    again = build(tmp_path / "again", PYTHON, house=other, vendored=vendored)
    assert again.read_bytes() == (built / "to-my-email.zip").read_bytes()
    assert (tmp_path / "again" / "sbom.cdx.json").read_bytes() == (built / "sbom.cdx.json").read_bytes()


def test_a_build_leaves_nothing_of_the_one_before(built: Path, vendored: Path, tmp_path: Path) -> None:
    """What was in the folder does not come along."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "leftover.py").write_text("x = 1")
    build(tmp_path, PYTHON, vendored=vendored)
    assert names(tmp_path) == names(built)


def test_what_would_slow_every_start_is_not_deployed() -> None:
    """Microsoft's credential is for the tests alone; the storage SDKs import aiohttp wherever it is installed."""
    pinned = set(re.findall(r"^([\w.-]+)==", (HOUSE / "requirements.txt").read_text("utf-8"), re.MULTILINE))
    assert {"msal", "azure-data-tables"} <= pinned
    assert not pinned & {"aiohttp", "azure-identity", "azure-keyvault-keys", "msal-extensions"}
    assert importlib.util.find_spec("aiohttp") is None


@pytest.mark.parametrize("name", ["shared/notes.md", "functions/key.pem", "shared/local.settings"])
def test_a_file_nobody_decided_on_stops_the_build(tmp_path: Path, name: str) -> None:
    """A key or a note that somebody left in a room is not deployed by accident (G11)."""
    for folder in ("functions", "shared"):
        (tmp_path / folder).mkdir()
    (tmp_path / name).write_text("x")
    with pytest.raises(NotBuiltError, match=name):
        list(sources(tmp_path))


def test_the_bill_names_what_is_installed(built: Path) -> None:
    """CycloneDX: each distribution with version, package URL and licence, and the application that needs it."""
    bill = json.loads((built / "sbom.cdx.json").read_text("utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["components"] == [
        {
            "type": "library",
            "bom-ref": "pkg:pypi/some-thing@1.2",
            "name": "Some_Thing",
            "version": "1.2",
            "purl": "pkg:pypi/some-thing@1.2",
            "licenses": [{"expression": "MIT"}],
        }
    ]
    assert bill["dependencies"] == [{"ref": sbom.NAME, "dependsOn": ["pkg:pypi/some-thing@1.2"]}]


def test_the_hash_is_that_of_the_zip(built: Path) -> None:
    """In the form that ``sha256sum -c`` reads, which the deployment does."""
    import hashlib

    digest, name = (built / "to-my-email.zip.sha256").read_text("ascii").split()
    assert digest == hashlib.sha256((built / name).read_bytes()).hexdigest()


@pytest.mark.parametrize("file", ["requirements.txt", "local/requirements.txt", "tests/requirements.txt"])
def test_nothing_is_installed_but_what_was_pinned(file: str) -> None:
    """I10: every package has one version and its hashes, comes from no address of its own, and none is ours by name."""
    text = (HOUSE / file).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) > 5
    for line in lines:
        assert re.match(r"[a-z0-9.-]+(\[[a-z]+\])?==[0-9][^ ]*( ;[^-]*)? +--hash=sha256:[0-9a-f]{64}", line), line[:60]
        assert not line.startswith("to-my-email"), line[:60]
