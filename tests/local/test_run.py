"""The runner of one machine: what it says, and that it leaves nothing behind."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.environment import NotAPortError, Ports
from local.processes import Process, ProcessFailedError
from local.run import busy

HOUSE = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30

# A machine of two toy programs, the second of which has a child of its own; run in a process like the real one.
TOYS = """
    import sys
    from pathlib import Path
    from local.machine import Machine, ended_by_signals
    from local.processes import ProcessFailedError

    folder, first, second = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    try:
        with ended_by_signals(), Machine(folder) as machine:
            for name, port in (("steady", first), ("shaky", second)):
                health = f"http://127.0.0.1:{port}/"
                machine.start(name, ["toy", name, port], health=health, own={"PYTHONPATH": sys.argv[1]})
            print("ready", flush=True)
            machine.watch()
    except KeyboardInterrupt:
        print("ended")
    except ProcessFailedError as error:
        print(error)
        sys.exit(1)
"""
# Each holds a lock on a file of its own for as long as it lives, zombies excepted.
TOY = """
    import fcntl, http.server, os, subprocess, sys
    from pathlib import Path

    name, *port = sys.argv[1:]
    mine = Path(__file__).with_name(name + ".alive").open("w")
    fcntl.flock(mine, fcntl.LOCK_EX)
    print(os.getpid(), file=mine, flush=True)
    print("locked", flush=True)

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            if self.path == "/die":
                print("the toy has had enough", flush=True)
                os._exit(7)

        def log_message(self, *_):
            pass

    if port:
        child = subprocess.Popen([sys.executable, __file__, name + "-child"], stdout=subprocess.PIPE)
        child.stdout.readline()
        http.server.ThreadingHTTPServer(("127.0.0.1", int(port[0])), Answer).serve_forever()
    else:
        import time
        time.sleep(600)
"""


class Toys:
    """The machine of two toys, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "toy.py").write_text(textwrap.dedent(TOY), encoding="utf-8")
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            self.ports = (one.getsockname()[1], two.getsockname()[1])
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(TOYS), str(folder), *(str(port) for port in self.ports)],
            cwd=HOUSE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait_until_ready(self) -> None:
        """Return when the machine says that both toys answer."""
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def alive(self) -> set[str]:
        """The names of the toys that still hold their locks."""
        return {file.stem for file in self.folder.glob("*.alive") if _locked(file)}

    def end(self) -> str:
        """Wait for the machine's end and return what it printed."""
        output, _ = self.process.communicate(timeout=PATIENCE)
        return output

    def all_gone(self) -> bool:
        """Whether every toy ends within the test's patience."""
        deadline = time.monotonic() + PATIENCE
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.alive()

    def kill(self) -> None:
        """End what a failed test left."""
        self.process.kill()
        for name in self.alive():
            os.kill(int((self.folder / f"{name}.alive").read_text()), signal.SIGKILL)
        self.process.communicate(timeout=PATIENCE)


def _locked(file: Path) -> bool:
    with file.open() as probe:
        try:
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.fixture
def toys(tmp_path: Path) -> Iterator[Toys]:
    """A machine of two toys, each with a child."""
    toys = Toys(tmp_path)
    yield toys
    toys.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_process(toys: Toys, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and a closed terminal end the programs and the children of the programs."""
    toys.wait_until_ready()
    assert toys.alive() == {"steady", "steady-child", "shaky", "shaky-child"}

    toys.process.send_signal(number)

    assert toys.end() == "ended\n"
    assert toys.all_gone()


def test_a_program_that_dies_is_named_and_the_others_end(toys: Toys) -> None:
    """The message has the dead program's name, its exit code and the end of its log; nothing else goes on."""
    toys.wait_until_ready()

    with socket.create_connection(("127.0.0.1", toys.ports[1]), timeout=PATIENCE) as to_the_shaky_one:
        to_the_shaky_one.sendall(b"GET /die HTTP/1.0\r\n\r\n")

    output = toys.end()
    assert toys.process.returncode == 1
    assert output.startswith("shaky ended with code 7.")
    assert "the toy has had enough" in output
    assert toys.all_gone()


def test_a_program_that_never_answers_is_named(tmp_path: Path) -> None:
    """Waiting has an end, and its error says which program was waited for."""
    command = [sys.executable, "-c", "print('thinking', flush=True); import time; time.sleep(600)"]
    with Process("sleeper", command, log=tmp_path / "sleeper.log") as process:
        process.wait_until(lambda: "thinking" in process.output(), seconds=PATIENCE)
        with pytest.raises(ProcessFailedError, match=r"sleeper was not ready after 0 seconds(.|\n)*thinking"):
            process.wait_until(lambda: False, seconds=0)
    with pytest.raises(ProcessFailedError, match="sleeper ended with code -15"):
        process.check()


def test_every_busy_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    """`python -m local` names each taken port, what needs it and the variable that moves it, and starts nothing."""
    with socket.socket() as one, socket.socket() as two, socket.socket() as free:
        for taken in (one, two):
            taken.bind(("127.0.0.1", 0))
            taken.listen()
        app, printer = one.getsockname()[1], two.getsockname()[1]
        free.bind(("127.0.0.1", 0))
        environment = dict(os.environ, PYTHONPATH=str(HOUSE), APP_PORT=str(app), PRINTER_PORT=str(printer))

        answer = subprocess.run(
            [sys.executable, "-m", "local"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    assert answer.returncode == 1
    assert re.search(rf"^Port {app} \(the app\) is taken.*APP_PORT", answer.stderr, re.MULTILINE)
    assert re.search(rf"^Port {printer} \(the virtual printer\) is taken.*PRINTER_PORT", answer.stderr, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


def test_a_free_port_is_not_called_busy() -> None:
    """Only ports that somebody listens on are named."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        probe.listen()
        port = probe.getsockname()[1]
        lines = busy(Ports(app=port, microsoft=1, printer=2, blob=3, queue=4, table=5))
        assert [line for line in lines if "the app" in line]
    lines = busy(Ports(app=port, microsoft=1, printer=2, blob=3, queue=4, table=5))
    assert not [line for line in lines if "the app" in line]


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "70 71", "\u0661"])
def test_what_is_no_port_is_refused_by_name(value: str) -> None:
    """A variable that holds no port is named, with what it holds."""
    with pytest.raises(NotAPortError, match="APP_PORT"):
        Ports.chosen({"APP_PORT": value})


def test_azurites_ports_follow_the_first() -> None:
    """AZURITE_PORT moves all three, and leaves room for the two that follow."""
    ports = Ports.chosen({"AZURITE_PORT": "20000"})
    assert (ports.blob, ports.queue, ports.table) == (20000, 20001, 20002)
    with pytest.raises(NotAPortError, match="AZURITE_PORT"):
        Ports.chosen({"AZURITE_PORT": "65534"})


def test_the_mail_servers_ports_follow_each_other() -> None:
    """SMTP_PORT moves both, and leaves room for the second."""
    ports = Ports.chosen({"SMTP_PORT": "20000"})
    assert (ports.smtp, ports.outlook_smtp) == (20000, 20001)
    with pytest.raises(NotAPortError, match="SMTP_PORT"):
        Ports.chosen({"SMTP_PORT": "65535"})
