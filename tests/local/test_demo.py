"""The demo, whole: every process it starts is the real one."""

import os
import subprocess
import sys
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]


def demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it as `make demo` does."""
    return subprocess.run(
        [sys.executable, "-m", "local.demo", *arguments],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "CURL_CA_BUNDLE": "", "PYTHONDONTWRITEBYTECODE": ""},
    )


def test_a_scan_goes_from_press_to_mailbox(tmp_path: Path) -> None:
    """Consent, enrolment, first login, scan: the file lies in her mailbox, from herself, unchanged; exit 0."""
    own = tmp_path / "Ліст №1.pdf"
    own.write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 500 + b"%%EOF")
    told = demo("--file", own)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "yes  file name: Ліст №1.pdf" in told.stdout
    assert "yes  From: adele.vance@contoso.example" in told.stdout
    assert told.stdout.endswith("Every line above is true.\n")


def test_what_is_not_so_is_said(tmp_path: Path) -> None:
    """A document that the service refuses ends the demo with exit 1, the reason, and no claim of success."""
    text = tmp_path / "not-a-scan.pdf"
    text.write_text("This is no PDF.")
    told = demo("--file", text)
    assert told.returncode == 1
    assert "This was not so:" in told.stderr
    assert "Every line above is true." not in told.stdout
