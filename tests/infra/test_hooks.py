"""azd's hooks, run as azd runs them, with the real registration script and stand-ins for what talks to Azure."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.bicep import HERE
from tests.infra import azure_cli

Hook = Callable[..., subprocess.CompletedProcess[str]]
AZ = f"""#!/bin/sh
echo "az $*" >> "$JOURNAL"
case "$1 $2 $3" in
  "keyvault secret show") test -f "$STATE/service-key" ;;
  "keyvault secret set")
    while [ "$1" != --file ]; do shift; done
    test ! -f "$STATE/no-role-yet" || {{ rm "$STATE/no-role-yet"; exit 1; }}
    stat -c %a "$2" > "$STATE/mode"; echo "$2" > "$STATE/name"; cp "$2" "$STATE/service-key" ;;
  "functionapp deployment source") cp .run/package/to-my-email.zip "$STATE/deployed" ;;
  "functionapp show "*) echo /subscriptions/s/sites/func-office ;;
  "lock list "*) cat "$STATE/locks" 2>/dev/null || true ;;
  "rest --method POST")
    case "$*" in
      *management.azure.com/subscriptions/s/sites/func-office/config/configreferences/appsettings/refresh*) ;;
      *) exec {sys.executable} {azure_cli.__file__} "$@" ;;
    esac ;;
  *) exec {sys.executable} {azure_cli.__file__} "$@" ;;
esac
"""
OTHERS = {
    "azd": '#!/bin/sh\necho "azd $*" >> "$JOURNAL"\n',
    "make": '#!/bin/sh\necho "make $*" >> "$JOURNAL"\n',
    "sleep": "#!/bin/sh\n",
    "curl": '#!/bin/sh\necho "curl $*" >> "$JOURNAL"\ntest ! -f "$STATE/not-ready"\n',
}
OUTPUTS = {
    "AZURE_RESOURCE_GROUP": "rg-office",
    "FUNCTION_APP": "func-office",
    "KEY_VAULT": "kv-office",
    "PUBLIC_URL": "https://func-office.azurewebsites.net",
    "IDENTITY_PRINCIPAL_ID": "bbbbbbbb-0000-4000-8000-00000000000f",
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of what the hooks need, with a package that has been built."""
    house = tmp_path / "house"
    shutil.copytree(HERE, house / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    (house / ".venv").symlink_to(Path(sys.prefix))
    package = house / ".run" / "package"
    package.mkdir(parents=True)
    (package / "to-my-email.zip").write_bytes(b"the package")
    digest = hashlib.sha256(b"the package").hexdigest()
    (package / "to-my-email.zip.sha256").write_text(f"{digest}  to-my-email.zip\n")
    (tmp_path / "bin").mkdir()
    for name, script in {**OTHERS, "az": AZ}.items():
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
    return house


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """What Azure holds."""
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.fixture
def hook(house: Path, state: Path, tmp_path: Path) -> Hook:
    """Runs a hook as azd does: from the project's folder, with the environment's values as variables."""

    def run(name: str, **told: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "STATE": str(state),
            "JOURNAL": str(state / "journal"),
            "AZURE_CLI_STATE": str(state / "graph.json"),
            **told,
        }
        command = [house / "infra" / "hooks" / f"{name}.sh"]
        return subprocess.run(
            command, cwd=house, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def journal(state: Path) -> list[str]:
    """What was called, in order."""
    return (state / "journal").read_text().splitlines()


def test_from_nothing_to_ready_and_again(hook: Hook, state: Path) -> None:
    """``azd up``: package, registration, key, addresses, proof, deployment, and a look; twice gives the same."""
    before = hook("preprovision")
    assert before.returncode == 0, before.stderr
    [line] = [line for line in journal(state) if line.startswith("azd env set CLIENT_ID ")]
    client_id = line.rpartition(" ")[2]
    assert "make package" in journal(state)
    (state / "no-role-yet").touch()  # the role on the vault takes its time
    after = hook("postprovision", CLIENT_ID=client_id, **OUTPUTS)
    assert after.returncode == 0, after.stderr
    assert f"{OUTPUTS['PUBLIC_URL']}/consent" in after.stdout
    assert "deviates" not in after.stderr
    # A reference to a secret that was not there is looked at again, before the app is asked whether it is ready.
    told = " ".join(journal(state))
    assert told.index("keyvault secret set") < told.index("configreferences") < told.index("curl")
    key = (state / "service-key").read_text()
    assert len(key) == 43
    assert (state / "mode").read_text() == "600\n"
    assert not Path((state / "name").read_text().strip()).exists()
    assert key not in after.stdout + after.stderr + (state / "journal").read_text()
    assert (state / "deployed").read_bytes() == b"the package"
    [registered] = json.loads((state / "graph.json").read_text())["applications"].values()
    assert registered["appId"] == client_id
    assert f"{OUTPUTS['PUBLIC_URL']}/auth/callback" in registered["web"]["redirectUris"]
    for name, more in (("preprovision", {}), ("postprovision", OUTPUTS)):
        again = hook(name, CLIENT_ID=client_id, **more)
        assert again.returncode == 0, again.stderr
    assert (state / "service-key").read_text() == key
    assert len(json.loads((state / "graph.json").read_text())["applications"]) == 1


def test_another_package_than_was_built_is_not_deployed(hook: Hook, house: Path, state: Path) -> None:
    """The hash is looked at before anything is sent."""
    client_id = hook("preprovision").returncode or journal(state)[-1].rpartition(" ")[2]
    (house / ".run" / "package" / "to-my-email.zip").write_bytes(b"another")
    after = hook("postprovision", CLIENT_ID=str(client_id), **OUTPUTS)
    assert after.returncode != 0
    assert not (state / "deployed").exists()


def test_a_service_that_does_not_get_ready_is_said(hook: Hook, state: Path) -> None:
    """The hook fails in the end, and names the page that says why."""
    hook("preprovision")
    (state / "not-ready").touch()
    after = hook("postprovision", CLIENT_ID=journal(state)[-1].rpartition(" ")[2], **OUTPUTS)
    assert after.returncode == 1
    assert "/readyz" in after.stderr


def test_azd_down_stops_at_the_locks(hook: Hook, state: Path) -> None:
    """What cannot be made again is not deleted by one word; without locks the hook lets azd go on."""
    (state / "locks").write_text("keep\n")
    down = hook("predown", CLIENT_ID="x", **OUTPUTS)
    assert down.returncode == 1
    assert "az lock delete" in down.stderr
    (state / "locks").write_text("")
    assert hook("predown", CLIENT_ID="x", **OUTPUTS).returncode == 0
