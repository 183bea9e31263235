"""The same mails by our SMTP and through email-oauth2-proxy: ``python -m bench.smtp_proxy [--quick]``.

Both hand their mails to the same emulated Exchange by STARTTLS and XOAUTH2, one after the other, and both begin a
connection for each. We read a document and write the mail around it (``shared.mail``); the proxy takes a finished mail
from an SMTP client and passes it on. What is counted is the process of each, not the client's, not Exchange's.
Source: https://github.com/simonrob/email-oauth2-proxy (PyPI: emailproxy), installed into ``.run/bench``.
"""

import base64
import configparser
import os
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from bench.figures import Figures, arguments, cpu_of, keep, peak_of, percentile
from bench.office import Office, office
from bench.send import HOUSE
from bench.smtp_worker import mail_of
from local.microsoft.directory import Account
from local.microsoft.permissions import OUTLOOK
from local.microsoft.tokens import access_token
from shared.mail import Sender

PROXY = HOUSE / ".run" / "bench" / "bin" / "emailproxy"
PASSWORD = "of this run"
ITERATIONS = 1_200_000
"""The proxy's own: what it derives a key with from the client's password."""
HEAD = ("KB", "who", "a second", "p50 ms", "p99 ms", "CPU ms each", "peak MiB")


class NotThereError(Exception):
    """The proxy is not installed, or does not serve."""


def token_of(found: Office, account: Account) -> str:
    """Return an access token for SMTP as Entra issues it."""
    cloud = found.staff.microsoft.cloud
    application = cloud.application(found.staff.rooms.settings.client_id)
    return access_token(cloud, application, account, OUTLOOK, granted=frozenset({"SMTP.Send"}), lifetime=36_000)


@contextmanager
def ours(found: Office, sender: Sender, token: str) -> Iterator[tuple[int, Callable[[int], None]]]:
    """Our SMTP in a process of its own; yields its id and what lets it send a document of so many bytes."""
    command = [sys.executable, "-m", "bench.smtp_worker", found.staff.microsoft.smtp.exchange, sender.oid]
    with subprocess.Popen(
        [*command, sender.address, token], cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asks, answers = process.stdin, process.stdout

        def send(size: int) -> None:
            asks.write(f"{size}\n")
            asks.flush()
            assert answers.readline() == "sent\n"

        yield process.pid, send
        asks.close()


@contextmanager
def proxy(found: Office, sender: Sender, token: str, folder: Path) -> Iterator[tuple[int, Callable[[int], None]]]:
    """email-oauth2-proxy, and a client that hands it finished mails."""
    if not PROXY.exists():
        raise NotThereError("email-oauth2-proxy is not in .run/bench: run `make bench`")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    file = folder / "emailproxy.config"
    _write(file, found, sender.address, token, port)
    command = [PROXY, "--no-gui", "--config-file", file, "--log-file", folder / "emailproxy.log"]
    log = (folder / "emailproxy.out").open("wb")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
        try:
            _wait(process, port, folder / "emailproxy.out")
            yield process.pid, lambda size: _submit(port, sender, size)
        finally:
            process.kill()


def _write(file: Path, found: Office, address: str, token: str, port: int) -> None:
    """Write the proxy's configuration, with a token as it keeps one after a sign-in."""
    salt = os.urandom(16)
    derived = PBKDF2HMAC(SHA256(), 32, salt, ITERATIONS).derive(PASSWORD.encode())
    sealed = Fernet(base64.urlsafe_b64encode(derived)).encrypt(token.encode()).decode()
    host, _, exchange = found.staff.microsoft.smtp.exchange.rpartition(":")
    told = configparser.ConfigParser(interpolation=None)
    told[f"SMTP-{port}"] = {
        "local_address": "127.0.0.1",
        "server_address": host,
        "server_port": exchange,
        "server_starttls": "True",
    }
    login = f"{found.staff.told['AUTHORITY_URL']}/organizations/oauth2/v2.0"
    told[address] = {
        "permission_url": f"{login}/authorize",
        "token_url": f"{login}/token",
        "oauth2_scope": "https://outlook.office.com/SMTP.Send offline_access",
        "redirect_uri": "http://localhost",
        "client_id": found.staff.rooms.settings.client_id,
        "token_salt": base64.b64encode(salt).decode(),
        "token_iterations": str(ITERATIONS),
        "access_token": sealed,
        "access_token_expiry": str(int(time.time()) + 36_000),
    }
    with file.open("w") as out:
        told.write(out)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise NotThereError(f"email-oauth2-proxy does not serve:\n{log.read_text()[-2000:]}")


def _submit(port: int, sender: Sender, size: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.login(sender.address, PASSWORD)
        client.sendmail(sender.address, [sender.address], mail_of(sender, size))


def measured(pid: int, send: Callable[[int], None], size: int, times: int, between: Callable[[], None]) -> list[float]:
    """Send so many mails, with something ``between`` them; the first is not counted."""
    send(size)
    taken, begun, used = [], monotonic(), cpu_of(pid)
    for _ in range(times):
        between()
        one = monotonic()
        send(size)
        taken.append((monotonic() - one) * 1000)
    spent, used = monotonic() - begun, cpu_of(pid) - used
    return [times / spent, percentile(taken, 0.5), percentile(taken, 0.99), used / times * 1000, peak_of(pid)]


def main() -> None:
    """Show the table."""

    def some_seconds() -> None:
        """Exchange takes 30 mails a minute of its clock."""
        found.staff.clock.advance(seconds=3)

    asked, figures = arguments(__doc__).parse_args(), Figures()
    figures.table("SMTP", *HEAD)
    with tempfile.TemporaryDirectory() as name, office(Path(name)) as found:
        [account] = found.staff.hire(1)
        sender, token = Sender(account.oid, account.address), token_of(found, account)
        for size, times in ((100_000, 3),) if asked.quick else ((100_000, 50), (3_000_000, 20), (20_000_000, 5)):
            for who, way in (
                ("our SMTP", ours(found, sender, token)),
                ("email-oauth2-proxy", proxy(found, sender, token, Path(name))),
            ):
                before = len(found.staff.microsoft.cloud.mailboxes.inbox(account.key))
                with way as (pid, send):
                    figures.row(size // 1000, who, *measured(pid, send, size, times, some_seconds))
                came = len(found.staff.microsoft.cloud.mailboxes.inbox(account.key)) - before
                assert came == times + 1, f"{who}: {came} mails came of {times + 1}"
                found.staff.microsoft.cloud.mailboxes.clear()
    keep(figures, asked.json)


if __name__ == "__main__":
    main()
