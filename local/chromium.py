"""Where this machine's Chromium is, and how it is started.

The tests look at pages with Playwright and ask here. ``python -m local.chromium``
installs what is missing: from Debian where that is possible, else from Playwright.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

INSTALL_SECONDS = 600
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Latin, Cyrillic and Greek; without them screenshots of the pages are full of boxes.
DEBIAN_FONTS = ("fonts-dejavu-core", "fonts-noto-core")


class NotFoundError(Exception):
    """There is no Chromium here; the message says what was tried and what to do."""


class LaunchOptions(TypedDict):
    """The keyword arguments of Playwright's ``BrowserType.launch`` that depend on the machine."""

    executable_path: str
    args: list[str]


def find() -> Path:
    """The Chromium to use: the one the variable CHROMIUM names, else one on PATH, else Playwright's own.

    Raises:
        NotFoundError: none of these exists.
    """
    named = os.environ.get("CHROMIUM")
    if named:
        if not Path(named).is_file():
            raise NotFoundError(f"The variable CHROMIUM names {named}, which is not a file.")
        return Path(named)
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    own = _playwrights_own()
    if own is None:
        raise NotFoundError("There is no Chromium: run `make test`, or name one with CHROMIUM=/path/to/chromium.")
    return own


def launch_options() -> LaunchOptions:
    """What to hand to ``playwright.chromium.launch(**launch_options())``.

    Chromium refuses to run as root with its sandbox, so root, and only root, goes without.

    Raises:
        NotFoundError: as in ``find``.
    """
    return {"executable_path": str(find()), "args": ["--no-sandbox"] if os.geteuid() == 0 else []}


def install() -> None:
    """Install Chromium and its fonts where they are missing.

    Raises:
        NotFoundError: neither Debian nor Playwright could bring it.
    """
    if shutil.which("apt-get") and os.geteuid() == 0:
        _install_from_debian()
    try:
        find()
    except NotFoundError:
        _run([sys.executable, "-m", "playwright", "install", "chromium"])
        find()


def _install_from_debian() -> None:
    missing = [font for font in DEBIAN_FONTS if not _is_installed(font)]
    try:
        find()
    except NotFoundError:
        missing.append("chromium")
    if missing:
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing])


def _is_installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
    return answer.stdout == "installed"


def _run(command: list[str]) -> None:
    """Run an installer; its failure is told, and ``find`` decides afterwards whether it mattered."""
    print("Installing the browser of the tests:", *command, flush=True)
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    try:
        subprocess.run(command, check=True, timeout=INSTALL_SECONDS, env=environment, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"That did not work: {error}", file=sys.stderr)


def _playwrights_own() -> Path | None:
    """The Chromium that ``playwright install`` fetches, if it has; asked in Playwright's own words."""
    # In a process of its own: Playwright's driver cannot be asked from inside a running event loop.
    script = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
    try:
        answer = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=INSTALL_SECONDS
        )
    except subprocess.SubprocessError:
        return None
    path = Path(answer.stdout.strip())
    return path if path.is_file() else None


if __name__ == "__main__":
    try:
        install()
    except NotFoundError as error:
        sys.exit(str(error))
