"""The templates, without Azure: what they make is what the app reads and asks for, and nobody may more than he must."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from functions import STORAGE_SETTING
from infra import safety
from infra.bicep import HERE, File, problems
from infra.check import missed
from infra.planted import BY_HAND, mistakes
from shared import storage
from shared.scans.claims import GIVEN_UP_AFTER
from shared.scans.holds import LONGEST_LIFE
from shared.scans.retention import ORPHAN_AFTER

HOUSE = HERE.parent


def config(read: dict[str, File], file: str, symbol: str) -> dict[str, Any]:
    """What stands between a resource's braces."""
    [found] = [resource for resource in read[file].resources if resource.symbol == symbol]
    return dict(found.config)


def test_nothing_is_undeclared_unused_or_miscalled(read: dict[str, File]) -> None:
    """Every file parses; names, modules' parameters and outputs fit."""
    assert len(read) > 8
    assert list(problems(list(read.values()))) == []


def test_what_must_never_be_otherwise(read: dict[str, File]) -> None:
    """E13, G08, G09, G11: no shared key, public blob, password, plain http; each role on the smallest thing."""
    assert list(safety.deviations(list(read.values()))) == []


def test_a_mistake_is_found(read: dict[str, File], tmp_path: Path) -> None:
    """The tests above can fail: names, modules, keys, doors and roles, each made wrong in a copy.

    Those thought of by hand, and some of those that are made for everything required: ``make infra-check`` plants all
    of them, and those that only Microsoft's models find.
    """
    every = list(read.values())
    made = [mistake for mistake in mistakes(every) if mistake not in BY_HAND]
    assert len(made) > 2 * len(safety.ROLES) + len(safety.REQUIRED)
    planted = [mistake for mistake in BY_HAND if mistake.finder != "models"] + made[::7]
    assert [told for mistake in planted if (told := missed(mistake, every, tmp_path))] == []


VALUES = {
    "ENVIRONMENT": "production",
    "CLIENT_ID": "clientId",
    "MANAGED_IDENTITY_CLIENT_ID": "identityClientId",
    "KEY_ENCRYPTION_KEY": "keyUri",
    **{f"{name}__clientId": "identityClientId" for name in (STORAGE_SETTING, "AzureWebJobsStorage")},
    **{
        f"{name}__{kind}ServiceUri": f"https://${{{account}}}.{kind}.${{suffix}}"
        for name, account in ((STORAGE_SETTING, "dataStorageName"), ("AzureWebJobsStorage", "hostStorageName"))
        for kind in ("blob", "queue", "table")
    },
}
"""What a setting is made from: the right name with somebody else's value would pass every other test."""


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_setting_gets_what_its_name_says(read: dict[str, File], name: str) -> None:
    """G08, G10: people's data lies in the account of its own, by the identity's id and not the app's, in production."""
    assert config(read, "modules/site.bicep", "appSettings")["properties"][name] == VALUES[name]


def test_what_the_site_is_given_is_what_its_parameters_say(read: dict[str, File]) -> None:
    """The other half of the way: outputs of identity, vault and accounts are not crossed where the site is called."""
    called = read["modules/service.bicep"].text.split("module site ")[1].split("\n}\n")[0]
    for line in (
        "identityClientId: identity.outputs.clientId",
        "keyUri: vault.outputs.keyUri",
        "serviceKeyUri: vault.outputs.serviceKeyUri",
        "clientId: clientId",
        "hostStorageName: hostStorage.outputs.name",
        "dataStorageName: dataStorage.outputs.name",
    ):
        assert f"    {line}\n" in called


def test_no_secret_stands_in_a_setting(read: dict[str, File]) -> None:
    """G11: the service keys are references to the vault."""
    given = config(read, "modules/site.bicep", "appSettings")["properties"]
    text = read["modules/site.bicep"].text
    assert given["SERVICE_KEY"] == "@Microsoft.KeyVault(SecretUri=${serviceKeyUri})"
    assert "FORMER_SERVICE_KEY: empty(formerServiceKeyUri) ? '' : '@Microsoft.KeyVault(SecretUri=" in text


def test_storage_is_what_the_app_asks_for(read: dict[str, File]) -> None:
    """Tables, queues and containers are made by the templates, under the names of shared/storage."""
    service = read["modules/service.bicep"]
    assert tuple(service.variables["tables"]) == storage.TABLES
    assert tuple(service.variables["queues"]) == storage.QUEUES
    assert service.modules["dataStorage"][1]["containers"] == ["documents"]
    assert (service.variables["documents"],) == storage.CONTAINERS
    assert service.modules["hostStorage"][1]["tables"] == []


def test_the_app_deletes_documents_before_the_account_does(read: dict[str, File]) -> None:
    """R50: the lifecycle rule is the last resort and never takes what a job may need, a held scan's for longest."""
    decorators = {
        made["type"]: made["argument"] for made in read["main.bicep"].parameters["documentDays"]["decorators"]
    }
    assert timedelta(days=decorators["min_value"]) > max(LONGEST_LIFE + GIVEN_UP_AFTER, ORPHAN_AFTER)


def test_the_worker_has_a_thread_for_every_delivery(read: dict[str, File]) -> None:
    """The pool is at least what host.json lets a queue door work on at once (functions.md, trap 14)."""
    queues = json.loads((HOUSE / "host.json").read_text("utf-8"))["extensions"]["queues"]
    decorators = {made["type"]: made["argument"] for made in read["main.bicep"].parameters["threads"]["decorators"]}
    assert decorators["min_value"] >= queues["batchSize"] + queues["newBatchThreshold"]


def test_the_delivery_door_that_is_kept_warm_exists(read: dict[str, File]) -> None:
    """Always-ready instances are for the name that function_app.py registers."""
    names = re.findall(r"name: 'function:(\w+)'", read["modules/site.bicep"].text)
    registered = (HOUSE / "function_app.py").read_text("utf-8")
    assert names
    assert all(f"def {name}(message: func.QueueMessage)" in registered for name in names)


# ---- sizes


@pytest.mark.parametrize("size", ["main", "large-fleet"])
def test_a_size_gives_what_the_template_takes(read: dict[str, File], size: str) -> None:
    """Both parameter files fit main.bicep: every name exists, all that is needed is there, numbers are in bounds."""
    told = json.loads((HERE / f"{size}.parameters.json").read_text("utf-8"))["parameters"]
    parameters = read["main.bicep"].parameters
    assert set(told) <= set(parameters)
    assert {name for name, made in parameters.items() if made.get("default") is None} <= set(told)
    for name, given in told.items():
        bounds = {made["type"]: made["argument"] for made in parameters[name]["decorators"]}
        value = given["value"]
        assert isinstance(value, {"string": str, "int": int, "bool": bool}[parameters[name]["type"]])
        assert value in bounds.get("allowed", [value])
        if parameters[name]["type"] == "int":
            assert bounds.get("min_value", 0) <= value <= bounds.get("max_value", value)
