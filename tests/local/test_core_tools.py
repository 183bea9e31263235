"""local.settings.json: what ``func start`` tells the app is what the app reads."""

import json
from pathlib import Path

import pytest

from infra.bicep import files
from local.core_tools import contents, write
from local.environment import Ports, app_environment
from shared.settings import read


@pytest.fixture
def values(tmp_path: Path) -> dict[str, str]:
    """What stands in the file."""
    told: dict[str, str] = json.loads(contents(app_environment(tmp_path, Ports())))["Values"]
    return told


def test_the_app_starts_with_it(values: dict[str, str]) -> None:
    """The reader of settings has nothing against it, and every value is text, which is all that the host takes."""
    assert read(values).environment == "local"
    assert all(isinstance(value, str) for value in values.values())


def test_it_says_of_threads_what_azure_says(values: dict[str, str]) -> None:
    """The same number as the template's default."""
    [main] = [file for file in files() if file.name == "main.bicep"]
    assert int(values["PYTHON_THREADPOOL_THREAD_COUNT"]) == main.parameters["threads"]["default"]


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    """G10: it holds the service key; also where a file for everybody was there before, git and package leave it out."""
    path = tmp_path / "local.settings.json"
    path.write_text("{}")
    path.chmod(0o644)
    write(path, app_environment(tmp_path, Ports()))
    assert path.stat().st_mode & 0o777 == 0o600
    house = Path(__file__).resolve().parent.parent.parent
    for ignored in (".gitignore", ".funcignore"):
        assert "local.settings.json" in (house / ignored).read_text("utf-8").splitlines()
