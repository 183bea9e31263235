"""What a maker gets: a wheel that installs and runs, and a README whose examples are true."""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.clients.wire import DeviceApi
from to_my_email import Invitation

PACKAGE = Path(__file__).resolve().parents[2] / "clients" / "python"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without any registry."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-index"]
    made = subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, PACKAGE],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert made.returncode == 0, made.stderr
    (found,) = folder.glob("*.whl")
    return found


def test_wheel_installs_and_runs(wheel: Path, tmp_path: Path) -> None:
    """In a fresh environment the program says what it can; its dependencies are the ones of these tests."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", wheel], check=True, timeout=100)
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = subprocess.run(
        [tmp_path / "venv" / "bin" / "to-my-email", "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment,
        cwd=tmp_path,
    ).stdout
    assert "exit codes:" in said
    where = "import to_my_email; print(to_my_email.__file__)"
    found = subprocess.run(
        [python, "-c", where], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )
    assert Path(found.stdout.strip()).is_relative_to(tmp_path)


def test_wheel_is_typed_and_asks_for_little(wheel: Path) -> None:
    """Type checkers see the types, and a maker installs three packages and what these need."""
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
        (metadata,) = (content.read(name).decode() for name in names if name.endswith("METADATA"))
    assert "to_my_email/py.typed" in names
    assert all(name.startswith("to_my_email") for name in names)
    needed = re.findall(r"^Requires-Dist: ([a-z]+)", metadata, re.MULTILINE)
    assert sorted(needed) == ["pyjwt", "requests", "segno"]


def test_examples_of_the_readme_are_true(
    service: DeviceApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every Python example of the README runs, one after the other, against a service."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7 a scan")
    examples = re.findall(r"^( *)```python\n(.*?)^ *```", (PACKAGE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) == 4

    def show(begun: Invitation) -> None:
        service.approvals[begun.id] |= {"status": "confirm", "account_hint": "a***@contoso.example"}

    names: dict[str, Any] = {
        "SERVICE": service.url,
        "TICKET": "a-ticket-from-the-console",
        "show": show,
        "ask": lambda account: account == "a***@contoso.example",
    }
    for indent, source in examples:
        exec(re.sub(f"^{indent}", "", source, flags=re.MULTILINE), names)
    assert capsys.readouterr().out.splitlines() == ["amber lake tin", "sent", "pending"]
    assert len(service.documents) == 2, "ben's scan arrived as well: this service asks nobody to sign in"


def test_commands_of_the_readme_exist() -> None:
    """Every command line in the README is one that the program takes, with its options."""
    from to_my_email.cli import _parser

    lines = re.findall(r"^    (?:.* \| )?to-my-email (.*)$", (PACKAGE / "README.md").read_text(), re.MULTILINE)
    assert len(lines) == 7
    for line in lines:
        _parser().parse_args(shlex.split(line))  # a wrong one exits
