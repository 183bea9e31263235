"""The program ``to-my-email`` as a person and as a script meet it: a real process each time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from tests.clients.proxy import failing
from tests.clients.wire import TICKET, DeviceApi, problem, served
from tests.clients.wire_uploads import CONTAINER, UploadApi

SOURCE = Path(__file__).resolve().parents[2] / "clients" / "python" / "src"
Pdf = Callable[[int], bytes]


class Shell:
    """A shell with a state directory of its own."""

    def __init__(self, directory: Path, service: str) -> None:
        self.directory = directory
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            "PYTHONPATH": str(SOURCE),
            "TO_MY_EMAIL_STATE": str(directory / "state"),
            "TO_MY_EMAIL_SERVICE": service,
            "PYTHONIOENCODING": "utf-8",
        }

    def command(self, *arguments: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "to_my_email", *arguments]

    def run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run it to its end."""
        return subprocess.run(
            self.command(*arguments), input=stdin, capture_output=True, check=False, timeout=60, env=self.environment
        )

    @contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start it; it does not outlive the block."""
        # What a shell starts in the background has Ctrl-C ignored, and hands that on: these tests may run so.
        heed = (
            "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
        )
        command = [sys.executable, "-c", heed, *self.command(*arguments)]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment)
        with running:
            try:
                yield running
            finally:
                running.kill()

    def file(self, content: bytes, name: str = "scan.pdf") -> str:
        """A file to scan."""
        path = self.directory / name
        path.write_bytes(content)
        return str(path)


@pytest.fixture
def shell(service: DeviceApi, tmp_path: Path) -> Shell:
    """A shell before a service."""
    return Shell(tmp_path, service.url)


@pytest.fixture
def enrolled(shell: Shell) -> Shell:
    """A shell whose device is enrolled."""
    assert shell.run("enrol", TICKET, "--name", "Second floor").returncode == 0
    return shell


def out(done: subprocess.CompletedProcess[bytes]) -> str:
    """What it wrote, and no error."""
    assert done.stderr == b"", done.stderr.decode()
    return done.stdout.decode()


def test_enrolment_shows_the_words_to_compare(shell: Shell) -> None:
    """D04: the words of the key are shown, the same as on the console; the address is remembered."""
    said = out(shell.run("enrol", TICKET, "--name", "Second floor"))
    assert said.startswith("Enrolled with Contoso as Second floor.\n")
    assert "Key in words  amber lake tin" in said
    del shell.environment["TO_MY_EMAIL_SERVICE"]
    assert "Second floor" in out(shell.run("status"))


def test_scan_waits_and_tells(enrolled: Shell, service: DeviceApi, pdf: Pdf) -> None:
    """A file goes out byte for byte, the wait ends with the state in words, and lists show it."""
    document = pdf(20_000)
    done = enrolled.run("scan", enrolled.file(document), "--user", "adele", "--title", "Lease", "--wait")
    assert done.returncode == 0
    assert done.stdout.decode().endswith("Sent: it is in the mailbox.\n")
    assert "20.0 kB of 20.0 kB handed over" in done.stderr.decode()
    ((scan_id, arrived),) = service.documents.items()
    assert arrived == document
    assert scan_id in out(enrolled.run("jobs"))
    assert out(enrolled.run("job", scan_id)) == "Sent: it is in the mailbox.\n"
    assert out(enrolled.run("cancel", scan_id)) == "Cancelled.\n"


def test_scan_is_read_from_standard_input(enrolled: Shell, service: DeviceApi, pdf: Pdf) -> None:
    """``scanimage | to-my-email scan -`` needs no file; the mail's file gets the name that is given."""
    document = pdf(5000)
    done = enrolled.run("--json", "scan", "-", "--user", "adele", "--name", "page.pdf", stdin=document)
    assert json.loads(done.stdout)["state"] == "accepted"
    assert list(service.documents.values()) == [document]


def test_person_signs_in_at_a_terminal(enrolled: Shell, service: DeviceApi) -> None:
    """The code is shown, OK is asked for, and yes makes him ready."""
    service.comes = "a***@contoso.example"
    done = enrolled.run("sign-in", "adele", "adele.vance@contoso.example", stdin=b"y\n")
    said = done.stdout.decode()
    assert "Code  BCDF-GHJK" in said
    assert f"Page  {service.url}/s\n" in said
    assert done.stderr.decode() == "Signed in as a***@contoso.example. OK? [y/N] "
    assert said.endswith("Signed in. From now on one press is enough.\n")
    assert enrolled.run("users", "adele").returncode == 0
    assert enrolled.run("users", "adele", "ben").returncode == 3


def test_no_answer_is_no(enrolled: Shell, service: DeviceApi) -> None:
    """A closed standard input, or anything but yes, signs nobody in."""
    service.comes = "a***@contoso.example"
    for said in (b"", b"\n", b"no\n"):
        done = enrolled.run("sign-in", "adele", "adele.vance@contoso.example", stdin=said)
        assert done.returncode == 1
        assert b"Cancelled" in done.stderr
    assert {each["status"] for each in service.approvals.values()} == {"denied"}


def test_ctrl_c_ends_a_sign_in_at_the_service(enrolled: Shell, service: DeviceApi) -> None:
    """Ctrl-C while waiting leaves no open link, and exits with 130."""
    with enrolled.start("sign-in", "adele", "adele.vance@contoso.example") as running:
        assert running.stdout is not None
        while b"Ctrl-C" not in running.stdout.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)
    assert running.returncode == 130
    assert [each["status"] for each in service.approvals.values()] == ["denied"]


def test_exit_codes_are_what_help_says(enrolled: Shell, service: DeviceApi, pdf: Pdf) -> None:
    """Each kind of end has its number: a script need not read words."""
    scan = ("scan", enrolled.file(pdf(900)), "-u", "adele")
    assert enrolled.run("scan").returncode == 2
    assert enrolled.run("scan", "/nowhere.pdf", "-u", "adele").returncode == 2
    service.refuse("POST", "scans", problem(413, "too_large", title="Too large", remedy="Scan less."))
    refused = enrolled.run(*scan)
    assert refused.returncode == 1
    assert refused.stderr.decode().endswith("handed over\nToo large.\n  Scan less.\n")
    service.refuse("POST", "scans", problem(403, "sign_in_required", code=370, who="user"))
    assert enrolled.run(*scan).returncode == 3
    service.refuse("POST", "scans", problem(403, "device_pending", who="admin"))
    assert enrolled.run(*scan).returncode == 77
    service.refuse("POST", "scans", problem(503, "busy", title="Busy", retry_after=3600))
    later = enrolled.run(*scan)
    assert later.returncode == 75
    assert "Try again in 60 minutes." in later.stderr.decode()
    assert "`to-my-email resume` hands it over" in later.stderr.decode()
    assert out(enrolled.run("jobs")).count("not handed over yet") == 2
    assert enrolled.run("resume").stdout.decode().count("Accepted: ") == 2
    assert out(enrolled.run("resume")) == "Nothing waits to be handed over.\n"
    assert enrolled.run("sheet").returncode == 1


def test_device_out_of_the_box_says_what_to_do(shell: Shell) -> None:
    """Not enrolled is 77, and the words say who can change it."""
    done = shell.run("jobs")
    assert done.returncode == 77
    assert "Ask an administrator for a ticket" in done.stderr.decode()
    del shell.environment["TO_MY_EMAIL_SERVICE"]
    assert shell.run("jobs").returncode == 2


def test_json_is_all_that_machines_get(enrolled: Shell, service: DeviceApi, pdf: Pdf) -> None:
    """With --json every line of standard output is JSON, refusals included, and standard error is empty."""
    service.comes = "a***@contoso.example"
    service.refuse("POST", "scans", problem(413, "too_large", who="user"))
    runs = [
        enrolled.run("--json", *words)
        for words in (
            ("device",),
            ("users", "ben"),
            ("sign-in", "-y", "adele", "a@contoso.example"),
            ("scan", enrolled.file(pdf(900)), "-u", "adele"),
            ("scan", enrolled.file(pdf(900)), "-u", "adele", "-w"),
            ("jobs",),
            ("resume",),
        )
    ]
    answers = [[json.loads(line) for line in out(run).splitlines()] for run in runs]
    assert answers[3] == [{"error": {"reason": "too_large", "status": 413, "who": "user", "title": "too_large"}}]
    assert answers[4][0]["state"] == "sent"
    assert answers[2][0]["event"] == "code"
    assert answers[6] == []


def test_reader_that_leaves_is_no_error(enrolled: Shell) -> None:
    """``to-my-email jobs | head -0`` ends in silence."""
    piped = " ".join(enrolled.command("device")) + " | true; echo ${PIPESTATUS[0]}"
    done = subprocess.run(["bash", "-c", piped], capture_output=True, check=False, timeout=60, env=enrolled.environment)
    assert done.stderr == b""


@pytest.fixture
def slow_storage(connection: str, tmp_path: Path) -> Iterator[tuple[Shell, UploadApi]]:
    """A shell before a service whose storage takes its time, so that a process can be killed in the midst."""
    with BlobServiceClient.from_connection_string(connection) as blobs:
        if not blobs.get_container_client(CONTAINER).exists():
            blobs.create_container(CONTAINER)
    with ExitStack() as closing:
        service = UploadApi(connection)
        service.url = closing.enter_context(served(service.app))
        storage = closing.enter_context(failing(service.origin))
        service.storage_url = f"http://127.0.0.1:{storage.port}/{service.storage_url.rpartition('/')[2]}"
        service.proxy = storage
        yield Shell(tmp_path, service.url), service


def test_killed_in_the_midst_of_an_upload_it_goes_on(
    slow_storage: tuple[Shell, UploadApi], pdf: Pdf, tmp_path: Path
) -> None:
    """R01, R02: kill -9 with 20 MB half way, the file gone: the next start brings the rest, once, byte for byte."""
    shell, service = slow_storage
    shell.run("enrol", TICKET)
    document = pdf(20_000_000)
    path = shell.file(document)
    service.proxy.stop_at = 9_000_000
    with shell.start("scan", path, "--user", "adele") as running:
        ends = time.monotonic() + 60
        while service.proxy.carried < 9_000_000:
            assert time.monotonic() < ends
            time.sleep(0.02)
        running.kill()
        running.communicate(timeout=30)
    Path(path).unlink()
    service.proxy.stop_at = None
    before = service.proxy.carried
    done = shell.run("--json", "resume")
    (scan_id,) = service.documents
    assert json.loads(done.stdout)["id"] == scan_id
    assert service.documents[scan_id] == document
    assert service.proxy.carried - before < 17_000_000, "what storage had was sent again"
    assert out(shell.run("resume")) == "Nothing waits to be handed over.\n"
    assert list((tmp_path / "state" / "spool").glob("*-*")) == []


def test_two_processes_hand_over_each_scan_once(slow_storage: tuple[Shell, UploadApi], pdf: Pdf) -> None:
    """Two resumes at once on one store: every scan arrives, none twice, and neither process fails."""
    shell, service = slow_storage
    shell.run("enrol", TICKET)
    documents = [pdf(1000 + number) for number in range(4)]
    for document in documents:
        service.refuse("POST", "scans", problem(403, "device_pending"))
        assert shell.run("scan", shell.file(document), "-u", "adele").returncode == 77
    with shell.start("--json", "resume") as one, shell.start("--json", "resume") as two:
        both = [one, two]
        said = [each.communicate(timeout=60)[0].decode() for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert sorted(service.documents.values()) == sorted(documents)
    handed = [json.loads(line)["id"] for each in said for line in each.splitlines()]
    assert sorted(handed) == sorted(service.documents)
