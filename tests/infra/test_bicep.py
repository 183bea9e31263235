"""The templates, without Azure: what they make is what the app reads and asks for, and nobody may more than he must."""

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from functions import STORAGE_SETTING
from infra.bicep import HERE, File, files, problems
from shared import storage
from shared.scans.claims import GIVEN_UP_AFTER
from shared.scans.holds import LONGEST_LIFE
from shared.scans.retention import ORPHAN_AFTER

HOUSE = HERE.parent
ROLES = {
    "hostBlobs": ("storageBlobDataOwner", "hostStorage"),
    "hostTables": ("storageTableDataContributor", "hostStorage"),
    "dataTables": ("storageTableDataContributor", "dataStorage"),
    "dataQueues": ("storageQueueDataContributor", "dataStorage"),
    "dataDocuments": ("storageBlobDataContributor", "documents"),
    "dataDelegator": ("storageBlobDelegator", "dataStorage"),
    "wrapping": ("keyVaultCryptoServiceEncryptionUser", "wrappingKey"),
    "secrets": ("keyVaultSecretsUser", "vault"),
    "telemetry": ("monitoringMetricsPublisher", "component"),
    "operatorSecrets": ("keyVaultSecretsOfficer", "vault"),
}
"""Assignment: role and what it is for. Whoever adds one argues it here."""
ROLE_IDS = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageBlobDataContributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "storageBlobDelegator": "db58b8e5-c6ad-4a2a-8342-4190687cbf4a",
    "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "keyVaultCryptoServiceEncryptionUser": "e147488a-f6f5-4113-8e2d-b22465e65bf6",
    "keyVaultSecretsUser": "4633458b-17de-408a-b874-0445c86b69e6",
    "keyVaultSecretsOfficer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}
"""Microsoft, "Azure built-in roles"."""


def config(read: dict[str, File], file: str, symbol: str) -> dict[str, Any]:
    """What stands between a resource's braces."""
    [found] = [resource for resource in read[file].resources if resource.symbol == symbol]
    return dict(found.config)


def test_nothing_is_undeclared_unused_or_miscalled(read: dict[str, File]) -> None:
    """Every file parses; names, modules' parameters and outputs fit."""
    assert len(read) > 8
    assert list(problems(list(read.values()))) == []


@pytest.mark.parametrize(
    ("file", "right", "wrong", "found"),
    [
        ("modules/site.bicep", "serverFarmId: plan.id", "serverFarmId: plans.id", "plans is not declared"),
        ("modules/vault.bicep", "'${vault.properties.vaultUri}keys/", "'${vaults.properties.vaultUri}keys/", "vaults"),
        ("modules/service.bicep", "identity.outputs.clientId", "identity.outputs.client", "no output client"),
        ("modules/service.bicep", "    keyName: 'data-keys'\n", "", "without keyName"),
        ("main.bicep", "    threads: threads\n", "    thread: threads\n", "no parameter thread"),
        ("modules/service.bicep", "'egress.bicep'", "'exit.bicep'", "not there"),
    ],
)
def test_a_mistake_is_found(tmp_path: Path, file: str, right: str, wrong: str, found: str) -> None:
    """The test above can fail, for each kind of problem."""
    root = tmp_path / "infra"
    shutil.copytree(HERE, root)
    text = (root / file).read_text("utf-8")
    assert right in text
    (root / file).write_text(text.replace(right, wrong), encoding="utf-8")
    assert any(found in problem for problem in problems(files(root)))


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
    """G11: the service keys are references to the vault, and storage is reached by identity alone."""
    given = config(read, "modules/site.bicep", "appSettings")["properties"]
    text = read["modules/site.bicep"].text
    assert given["SERVICE_KEY"] == "@Microsoft.KeyVault(SecretUri=${serviceKeyUri})"
    assert "FORMER_SERVICE_KEY: empty(formerServiceKeyUri) ? '' : '@Microsoft.KeyVault(SecretUri=" in text
    for name in (STORAGE_SETTING, "AzureWebJobsStorage"):
        assert given[f"{name}__credential"] == "managedidentity"
    everything = "".join(file.text for file in read.values())
    for forbidden in ("listKeys", "AccountKey", "listSecrets", "WEBSITE_RUN_FROM_PACKAGE", "newGuid"):
        assert forbidden not in everything


def test_storage_is_what_the_app_asks_for(read: dict[str, File]) -> None:
    """Tables, queues and containers are made by the templates, under the names of shared/storage."""
    service = read["modules/service.bicep"]
    assert tuple(service.variables["tables"]) == storage.TABLES
    assert tuple(service.variables["queues"]) == storage.QUEUES
    assert service.modules["dataStorage"][1]["containers"] == ["documents"]
    assert (service.variables["documents"],) == storage.CONTAINERS
    assert service.modules["hostStorage"][1]["tables"] == []


def test_storage_knows_no_key_and_no_public_blob(read: dict[str, File]) -> None:
    """E13, G08: shared keys off, public access off, TLS 1.2, and a deleted document is gone."""
    account = config(read, "modules/storage-account.bicep", "account")["properties"]
    assert account["allowSharedKeyAccess"] is False
    assert account["allowBlobPublicAccess"] is False
    assert account["supportsHttpsTrafficOnly"] is True
    assert account["minimumTlsVersion"] == "TLS1_2"
    containers = config(read, "modules/storage-account.bicep", "blobContainers")["properties"]
    assert containers["publicAccess"] == "None"
    deleted = config(read, "modules/storage-account.bicep", "blobService")["properties"]["deleteRetentionPolicy"]
    assert deleted == {"enabled": False}


def test_the_app_deletes_documents_before_the_account_does(read: dict[str, File]) -> None:
    """R50: the lifecycle rule is the last resort and never takes what a job may need, a held scan's for longest."""
    decorators = {
        made["type"]: made["argument"] for made in read["main.bicep"].parameters["documentDays"]["decorators"]
    }
    assert timedelta(days=decorators["min_value"]) > max(LONGEST_LIFE + GIVEN_UP_AFTER, ORPHAN_AFTER)


def test_every_role_is_argued_and_on_the_smallest_thing(read: dict[str, File]) -> None:
    """G09: each assignment has the role and the scope that are listed here, and the ids are Microsoft's."""
    file = read["modules/role-assignments.bicep"]
    assert file.variables == ROLE_IDS
    found = {}
    for resource in file.resources:
        if not resource.existing:
            block = file.text[file.text.index(f"resource {resource.symbol} '") :].split("\n}\n")[0]
            [role] = re.findall(r"roleDefinitions', (\w+)\)", block)
            assert f", {role})" in block.split("name: guid(")[1].split("\n")[0]
            found[resource.symbol] = (role, str(resource.config["scope"]))
    assert found == ROLES


def test_the_vault_cannot_be_emptied(read: dict[str, File]) -> None:
    """Purge protection, roles in place of access policies, and a key that only wraps and never leaves (G09)."""
    vault = config(read, "modules/vault.bicep", "vault")["properties"]
    assert vault["enablePurgeProtection"] is True
    assert vault["enableRbacAuthorization"] is True
    key = config(read, "modules/vault.bicep", "wrappingKey")["properties"]
    assert (key["kty"], key["keySize"], key["keyOps"]) == ("RSA", 3072, ["wrapKey", "unwrapKey"])
    assert key["attributes"]["exportable"] is False


def test_the_app_has_no_password_and_no_plain_http(read: dict[str, File]) -> None:
    """Publishing by password is off in both its forms; https and TLS 1.2 alone."""
    site = read["modules/site.bicep"]
    for symbol in ("ftpPassword", "scmPassword"):
        assert config(read, site.name, symbol)["properties"] == {"allow": False}
    properties = config(read, site.name, "site")["properties"]
    assert properties["httpsOnly"] is True
    assert properties["siteConfig"]["minTlsVersion"] == "1.2"
    assert properties["siteConfig"]["remoteDebuggingEnabled"] is False


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
