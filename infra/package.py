"""Builds exactly what is deployed: ``python -m infra.package`` makes a zip, its bill of materials and its hash.

The same tree, the same pins and the same Python 3.13 give the same bytes: files are sorted and dated 1980, bytecode
carries a hash in place of a time and paths of Azure in place of this machine's.

Bytecode is compiled with *unchecked* hashes: without valid bytecode a start costs five times as much, and unpacking
changes the times that ordinary bytecode is checked by.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from infra import sbom

HOUSE = Path(__file__).resolve().parent.parent
ROOT_FILES = ("function_app.py", "host.json", "requirements.txt", "LICENSE")
FOLDERS = ("functions", "shared")
SUFFIXES = frozenset({".py", ".html", ".css", ".js", ".svg", ".png", ".ico", ".json", ".txt", ".po"})
"""What the folders may hold; ``.po`` becomes ``.mo``. Anything else stops the build: somebody should decide."""
NOT_PACKED = frozenset({".cfg", ".pot", ".mo", ".pyc"})
VENDORED = Path(".python_packages/lib/site-packages")
"""Where the Functions worker looks for packages (Microsoft, "Azure Functions Python developer guide")."""
DEPLOYED = "/home/site/wwwroot"
"""Where Azure mounts the package."""
PYTHON = (3, 13)
# Both: glibc 2.28 and above is what Azure's Python 3.13 runs on, and many wheels are still named by the older tag.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
NEVER_NEEDED = ("bin", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", "**/*.pyi", "**/*.pxd")
LARGEST = 60 * 1000 * 1000
"""Bytes of the zip; a package that doubles is a mistake. Azure's own limit for Flex Consumption is 1 GB."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PIP_SECONDS, _COMPILE_SECONDS = 600, 300


class NotBuiltError(Exception):
    """The package cannot be built; the message says why."""


def build(destination: Path, python: Path, *, house: Path = HOUSE, vendored: Path | None = None) -> Path:
    """Build the package; returns the zip.

    Args:
        destination: folder for ``to-my-email.zip``, ``to-my-email.zip.sha256``, ``sbom.cdx.json`` and ``app/`` (what is
            in the zip); what is there is replaced.
        python: a Python 3.13 with pip.
        house: the tree to build from.
        vendored: packages that an earlier build installed; where None they are installed from the registry.

    Raises:
        NotBuiltError: a file nobody decided on, or a step that failed.
    """
    destination.mkdir(parents=True, exist_ok=True)
    app = destination / "app"
    shutil.rmtree(app, ignore_errors=True)
    app.mkdir()
    _copy_sources(house, app)
    if vendored is None:
        _install(python, house / "requirements.txt", app / VENDORED)
    else:
        shutil.copytree(vendored, app / VENDORED, ignore=shutil.ignore_patterns("__pycache__"))
    _compile(python, app)
    bill = sbom.of(app / VENDORED)
    (destination / "sbom.cdx.json").write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    zipped = destination / "to-my-email.zip"
    _zip(app, zipped)
    if zipped.stat().st_size > LARGEST:
        raise NotBuiltError(f"{zipped.name} has {zipped.stat().st_size:,} bytes, more than {LARGEST:,}")
    digest = hashlib.sha256(zipped.read_bytes()).hexdigest()
    (destination / f"{zipped.name}.sha256").write_text(f"{digest}  {zipped.name}\n", encoding="ascii")
    return zipped


def sources(house: Path) -> Iterator[Path]:
    """Yield what is packed of the tree at ``house``, relative to it, in order.

    Raises:
        NotBuiltError: a file of a kind that nobody has decided on.
    """
    for name in ROOT_FILES:
        yield Path(name)
    for folder in FOLDERS:
        for path in sorted((house / folder).rglob("*")):
            if not path.is_file() or "__pycache__" in path.parts or path.suffix in NOT_PACKED:
                continue
            if path.suffix not in SUFFIXES:
                raise NotBuiltError(f"{path.relative_to(house)}: is it deployed? infra/package.py does not say")
            yield path.relative_to(house)


def _copy_sources(house: Path, app: Path) -> None:
    for relative in sources(house):
        target = app / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        if relative.suffix == ".po":
            target.with_suffix(".mo").write_bytes(_catalogue(house / relative))
        else:
            shutil.copyfile(house / relative, target)


def _catalogue(po: Path) -> bytes:
    from io import BytesIO

    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with po.open("rb") as file:
        write_mo(compiled, read_po(file))
    return compiled.getvalue()


def _install(python: Path, requirements: Path, target: Path) -> None:
    """Install the pinned wheels for Azure's Linux, whatever this machine is."""
    command: list[str | Path] = [
        *(python, "-m", "pip", "--disable-pip-version-check", "--isolated", "install", "--quiet", "--require-hashes"),
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.13", "--no-compile", "--no-deps"),
        *(word for platform in PLATFORMS for word in ("--platform", platform)),
        *("--target", target, "-r", requirements),
    ]
    _run(command, _PIP_SECONDS, _pip_environment())
    for pattern in NEVER_NEEDED:
        for path in sorted(target.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _pip_environment() -> dict[str, str]:
    # --isolated drops the user's pip.conf, which may name the registry to use: that and the proxies are handed on.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    answer = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return {**({"PIP_INDEX_URL": answer.stdout.strip()} if answer.returncode == 0 else {}), **kept}


def _compile(python: Path, app: Path) -> None:
    for cache in sorted(app.rglob("__pycache__")):
        shutil.rmtree(cache)
    # One file after the other and with a fixed hash seed: what marshal writes depends on what was interned before.
    command: list[str | Path] = [
        *(python, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
        *("-s", app, "-p", DEPLOYED, "-j", "1", app),
    ]
    _run(command, _COMPILE_SECONDS, {"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"})


def _run(command: Sequence[str | Path], seconds: int, environment: dict[str, str]) -> None:
    answer = subprocess.run(
        list(command), capture_output=True, text=True, check=False, timeout=seconds, env=environment
    )
    if answer.returncode:
        raise NotBuiltError(f"{command[3]} {command[4]}:\n{answer.stdout}{answer.stderr}".rstrip())


def _zip(app: Path, zipped: Path) -> None:
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in app.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(app).as_posix(), _EPOCH)
            entry.create_system = 3  # Unix, on whatever machine it is built
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def python_3_13(named: str | None = None) -> Path:
    """Find a Python 3.13 (3.13 makes its own bytecode only).

    Raises:
        NotBuiltError: there is none.
    """
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.13*/bin/python"))
    for candidate in [named, sys.executable, shutil.which("python3.13"), *pyenv]:
        if not candidate:
            continue
        answer = subprocess.run(
            [candidate, "-c", "import pip, sys; sys.exit(sys.version_info[:2] != (3, 13))"],
            capture_output=True,
            check=False,
            timeout=60,
        )
        if answer.returncode == 0:
            return Path(candidate)
    raise NotBuiltError("No Python 3.13 with pip was found, which Azure runs: PYTHON313=/path/to/python3.13")


def main() -> int:
    """Build into a folder and say what was made."""
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--to", type=Path, default=Path(".run/package"))
    parser.add_argument("--python", default=os.environ.get("PYTHON313"))
    parser.add_argument("--twice", action="store_true", help="build again elsewhere, and fail where a byte differs")
    given = parser.parse_args()
    try:
        python = python_3_13(given.python)
        zipped = build(given.to, python)
        if given.twice:
            with tempfile.TemporaryDirectory() as other:
                _compare(zipped, build(Path(other), python))
    except NotBuiltError as error:
        print(error, file=sys.stderr)
        return 1
    with zipfile.ZipFile(zipped) as archive:
        entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    digest = hashlib.sha256(zipped.read_bytes()).hexdigest()
    print(f"{zipped}: {zipped.stat().st_size:,} bytes, {len(entries)} files of {unpacked:,} bytes\nSHA-256 {digest}")
    if given.twice:
        print("Built twice, from the registry, with the same bytes.")
    return 0


def _compare(one: Path, other: Path) -> None:
    if one.read_bytes() == other.read_bytes():
        return
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        names = sorted({*first.namelist(), *second.namelist()})
        here = {entry.filename: entry.CRC for entry in first.infolist()}
        there = {entry.filename: entry.CRC for entry in second.infolist()}
    differing = [name for name in names if here.get(name) != there.get(name)]
    raise NotBuiltError(f"Two builds differ in {len(differing)} files: {', '.join(differing[:10])}")


if __name__ == "__main__":
    sys.exit(main())
