"""docs/devices/curl.md, typed: bash, curl and openssl against the running service, and what they show."""

import re
import subprocess
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "devices" / "curl.md"
BLOCK = re.compile(
    r"^```(?P<kind>bash|output)\n(?P<text>.*?)^```$|^<!-- happens: (?P<event>[a-z-]+) -->$", re.MULTILINE | re.DOTALL
)
CONTOSO = "11111111-1111-4111-8111-111111111111"
END = "---- end of the block"


class Typist:
    """Somebody at a shell, who types what the page says."""

    def __init__(self, shell: subprocess.Popen[str], world: Any) -> None:
        self.shell = shell
        self.world = world
        self.shown = ""

    def bash(self, text: str) -> str:
        """Type a block; what it showed."""
        assert self.shell.stdin
        assert self.shell.stdout
        self.shell.stdin.write(f"{text}\necho; echo '{END}'\n")
        self.shell.stdin.flush()
        lines = []
        for line in self.shell.stdout:
            if line.rstrip() == END:
                break
            lines.append(line)
        else:
            raise AssertionError("the shell has ended: " + "".join(lines))
        self.shown = "".join(lines).strip()
        return self.shown

    def output(self, text: str) -> None:
        """Compare what the block showed with the page."""
        expected = ".*".join(re.escape(part) for part in text.strip().split("..."))
        assert re.fullmatch(expected, self.shown, re.DOTALL), (text, self.shown)

    def happens(self, event: str) -> None:
        """Let somebody else do his part."""
        match event:
            case "consent":
                self.world.person().walk(self.bash('echo "$LINK"'), "contoso/admin")
            case "sign-in":
                self.world.person().walk(self.bash('echo "$LINK"'), "contoso/adele")
            case "deliver":
                self.world.deliver()
            case "revoke":
                self.world.rooms.devices.revoke(CONTOSO, self.bash('echo "$DEVICE"'))


def test_the_page_can_be_typed(world: Any, tmp_path: Path) -> None:
    """From the key to the end, everything is answered as the page shows; both scans are in the mailbox."""
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "SERVICE": world.url,
        "TICKET": world.rooms.tickets.issue(CONTOSO, "office", "2nd floor"),
    }
    with subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-eu", "-o", "pipefail"],
        cwd=tmp_path, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as shell:  # fmt: skip
        typist, compared = Typist(shell, world), 0
        try:
            for block in BLOCK.finditer(PAGE.read_text("utf-8")):
                if event := block["event"]:
                    typist.happens(event)
                elif block["kind"] == "bash":
                    typist.bash(block["text"])
                else:
                    typist.output(block["text"])
                    compared += 1
        finally:
            shell.kill()
    assert compared == PAGE.read_text("utf-8").count("```output") > 10
    world.deliver()
    assert sorted(mail["subject"] for mail in world.mailbox()) == ["By hand", "By upload"]
