"""Where the browser of the tests is found."""

import os
import subprocess
from pathlib import Path

import pytest

from local import chromium

PATIENCE = 60


def test_what_is_found_is_a_browser() -> None:
    """What the tests are given runs and calls itself Chromium or Chrome."""
    answer = subprocess.run(
        [chromium.find(), "--version", "--no-sandbox"], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert "Chrom" in answer.stdout


def test_a_named_browser_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHROMIUM decides, whatever else is installed."""
    named = tmp_path / "my-chromium"
    named.touch()
    monkeypatch.setenv("CHROMIUM", str(named))
    assert chromium.find() == named
    assert chromium.launch_options()["executable_path"] == str(named)


def test_a_named_browser_that_is_missing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong CHROMIUM is told, not passed over for another browser."""
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "none"))
    with pytest.raises(chromium.NotFoundError, match="CHROMIUM"):
        chromium.find()


def test_a_machine_without_a_browser_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no browser at all, the error names the command and the variable."""
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(chromium.NotFoundError, match=r"make test.*CHROMIUM="):
        chromium.find()


def test_only_root_goes_without_the_sandbox() -> None:
    """The sandbox is given up exactly where Chromium would not start with it."""
    assert ("--no-sandbox" in chromium.launch_options()["args"]) == (os.geteuid() == 0)
