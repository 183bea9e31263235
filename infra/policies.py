"""Holds our Bicep against checkov's policies: ``make infra-check ALL=1``.

A policy that we do not follow is skipped where the resource stands, with the reason beside it. Found are a policy that
is neither followed nor skipped, a file that checkov cannot read (it would pass in silence), and a skip that nothing
needs. A mistake that neither Microsoft's models nor ``tests/infra`` see is planted in a copy each time.

checkov wants older versions of packages that :mod:`infra.models` and the app use, so it lives in an environment of its
own and is asked over its command line. It asks nobody on the network here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

HERE = Path(__file__).resolve().parent
CHECKOV = HERE.parent / ".run" / "checkov" / "bin" / "checkov"
SECONDS = 300
PLANTED = ("modules/site.bicep", "ftpsState: 'Disabled'", "ftpsState: 'AllAllowed'", "CKV_AZURE_78")
"""File, what is there, what stands there instead (a value that the SDK knows), and the policy that sees it."""
_SKIP = re.compile(r"// checkov:skip=(\w+)")


def asked(folder: Path) -> Mapping[str, Any]:
    """Return checkov's report on the Bicep files below ``folder``.

    Raises:
        subprocess.TimeoutExpired, ValueError: it did not end within :data:`SECONDS`, or gave no report.
    """
    command: list[str | Path] = [
        CHECKOV,
        "--directory",
        folder,
        "--framework",
        "bicep",
        "--skip-download",
        "--soft-fail",
    ]
    # It would ask the registry for its own newest version, waiting where there is no way.
    environment = {"PATH": os.defpath, "HOME": str(Path.home()), "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"}
    answer = subprocess.run(
        [*command, "--compact", "--output", "json"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment,
    )
    if not answer.stdout.strip():
        raise ValueError(f"checkov said nothing; it ended with {answer.returncode}: {answer.stderr[-400:]}")
    report: Mapping[str, Any] = json.loads(answer.stdout)
    return report


def skips(folder: Path) -> set[tuple[str, str]]:
    """Return what is skipped: file below ``folder``, and policy."""
    return {
        ("/" + path.relative_to(folder).as_posix(), policy)
        for path in folder.rglob("*.bicep")
        for policy in _SKIP.findall(path.read_text("utf-8"))
    }


def problems(report: Mapping[str, Any], written: set[tuple[str, str]]) -> list[str]:
    """Return what a report has against files in which ``written`` is skipped."""
    results = report.get("results", {})
    found = [f"{name} cannot be read by checkov" for name in results.get("parsing_errors", [])]
    if report["summary"]["parsing_errors"] and not found:
        found.append("checkov cannot read a file")
    found += [
        f"{failed['file_path']}: {failed['resource']}: {failed['check_id']}: {failed['check_name']}"
        for failed in results.get("failed_checks", [])
    ]
    needed = {(skipped["file_path"], skipped["check_id"]) for skipped in results.get("skipped_checks", [])}
    return found + [f"{file}: nothing needs the skip of {policy}" for file, policy in sorted(written - needed)]


def main() -> int:
    """Ask about our files beside a copy with the mistake, in one run: most of its time is checkov's start."""
    with tempfile.TemporaryDirectory() as name:
        ours, wrong = Path(name) / "ours", Path(name) / "wrong"
        for folder in (ours, wrong):
            copytree(HERE, folder, ignore=ignore_patterns("*.py", "__pycache__"))
        file, right, mistake, policy = PLANTED
        text = (wrong / file).read_text("utf-8")
        (wrong / file).write_text(text.replace(right, mistake), encoding="utf-8")
        report = asked(Path(name))
        found = problems(report, skips(Path(name)))
    expected = [problem for problem in found if problem.startswith(f"/wrong/{file}") and f": {policy}: " in problem]
    real = [problem for problem in found if problem not in expected]
    if right not in text or not expected:
        real.append(f"{file}: the planted {mistake!r} was not found")
    for problem in real:
        print(problem, file=sys.stderr)
    count = report["summary"]["resource_count"] // 2
    skipped = report["summary"]["skipped"] // 2
    parsing = report["summary"]["parsing_errors"]
    print(
        f"checkov {report['summary']['checkov_version']}: {count} resources, {parsing} parsing errors, "
        f"{len(real)} problems, {skipped} skips with a reason; 1 planted mistake tried."
    )
    return int(bool(real))


if __name__ == "__main__":
    sys.exit(main())
