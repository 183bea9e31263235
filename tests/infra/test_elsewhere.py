"""What runs on machines that are not here, as far as it can be looked at: workflow, dev container, azd's file."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.bicep import HERE, File
from infra.package import PYTHON

HOUSE = HERE.parent
MAKE = (HOUSE / "Makefile").read_text("utf-8")
WORKFLOWS = sorted((HOUSE / ".github" / "workflows").glob("*.yml"))
SERVED = {7071, 8631, 24443, 7072}
"""What ``make run`` and ``func start`` listen on, for a browser (docs/development.md)."""


def loaded(path: Path) -> dict[str, Any]:
    """A YAML file."""
    told: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return told


def targets(commands: str) -> set[str]:
    """What ``make`` is asked for."""
    return set(re.findall(r"\bmake ([a-z-]+)", commands))


def container() -> dict[str, Any]:
    """The dev container."""
    told: dict[str, Any] = json.loads((HOUSE / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    return told


def test_what_is_asked_of_make_is_there() -> None:
    """Workflow, dev container and hooks call targets that the Makefile has."""
    hooks = "".join(path.read_text("utf-8") for path in (HERE / "hooks").glob("*.sh"))
    asked = targets(container()["postCreateCommand"]) | targets(hooks)
    for path in WORKFLOWS:
        asked |= targets(path.read_text("utf-8"))
    assert asked >= {"install", "package", "infra-check"}
    assert asked <= set(re.findall(r"^([a-z-]+):", MAKE, re.MULTILINE))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_little_and_watches_what_exists(path: Path) -> None:
    """It writes nothing, its actions are pinned to a version, it ends, and no path in it is misspelt."""
    told = loaded(path)
    assert told["permissions"] == {"contents": "read"}
    watched = told[True]  # YAML 1.1 reads the word "on" as a truth value
    assert watched["push"]["paths"] == watched["pull_request"]["paths"]
    for pattern in watched["push"]["paths"]:
        assert list(HOUSE.glob(pattern)), pattern
    for job in told["jobs"].values():
        assert job["timeout-minutes"] <= 30
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))
            for named in re.findall(r"--file (\S+)", step.get("run", "")):
                assert (HOUSE / named).is_file()


def test_the_real_compiler_sees_the_templates() -> None:
    """Where there is a way to the internet: lint and build by Microsoft's own, and everything that runs here."""
    steps = [step.get("run", "") for step in loaded(HOUSE / ".github/workflows/infra.yml")["jobs"]["bicep"]["steps"]]
    wanted = ["az bicep install", "az bicep lint", "az bicep build", "make infra-check ALL=1", "make package TWICE=1"]
    assert [any(step.startswith(begin) for step in steps) for begin in wanted] == [True] * len(wanted)


def test_one_python_everywhere(read: dict[str, File]) -> None:
    """The package's bytecode is of the Python that Azure runs, and of the workflow's and the dev container's."""
    [version] = re.findall(r"version: '(3\.\d+)'", read["modules/site.bicep"].text)
    assert version == "{}.{}".format(*PYTHON)
    assert container()["image"].partition(":")[2].startswith(f"{version}-")
    for path in WORKFLOWS:
        for job in loaded(path)["jobs"].values():
            [setup] = [step for step in job["steps"] if step.get("uses", "").startswith("actions/setup-python@")]
            assert setup["with"]["python-version"] == version


def test_the_dev_container_brings_what_the_pages_ask_for() -> None:
    """Azure CLI with Bicep, azd, Core Tools; and the ports of everything that a browser opens."""
    told = container()
    assert set(told["forwardPorts"]) == SERVED
    named = " ".join(told["features"]) + told["postCreateCommand"]
    for tool in ("features/azure-cli:", "azure-dev/azd:", "azure-functions-core-tools@4"):
        assert tool in named
    assert told["features"]["ghcr.io/devcontainers/features/azure-cli:1"] == {"installBicep": True}
    # Core Tools come by npm.
    assert "ghcr.io/devcontainers/features/node:1" in told["features"]


def test_azd_finds_its_template_and_its_hooks() -> None:
    """``azd up`` and ``azd down``: every hook is a script that may be run, the template is the one that is checked."""
    told = loaded(HOUSE / "azure.yaml")
    assert (HOUSE / told["infra"]["path"] / f"{told['infra']['module']}.bicep").is_file()
    assert set(told["hooks"]) == {"preprovision", "postprovision", "predown"}
    for hook in told["hooks"].values():
        assert (HOUSE / hook["run"]).stat().st_mode & 0o111


def test_the_hooks_use_what_the_template_gives(read: dict[str, File]) -> None:
    """Variables of the hooks are outputs of main.bicep, or settings of the environment that docs/deploy.md names."""
    page = (HOUSE / "docs" / "deploy.md").read_text("utf-8")
    for path in (HERE / "hooks").glob("*.sh"):
        for name in set(re.findall(r"\$\{?([A-Z][A-Z_]+)", path.read_text("utf-8"))):
            assert name in read["main.bicep"].outputs or f"`{name}" in page, name
