"""What must never be otherwise in our templates, whatever Microsoft's models would take: keys, doors, roles.

A value that is valid may still be wrong: shared keys switched on, a role that is missing or too wide. Each is written
down here once, and :func:`deviations` names every place that differs. ``make infra-check`` asks it, and the tests do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.bicep import File, Resource

Required = tuple[str, str, str, Any]
"""File, resource, property, and its value."""
REQUIRED: Sequence[Required] = (
    ("modules/storage-account.bicep", "account", "properties.allowSharedKeyAccess", False),
    ("modules/storage-account.bicep", "account", "properties.allowBlobPublicAccess", False),
    ("modules/storage-account.bicep", "account", "properties.allowCrossTenantReplication", False),
    ("modules/storage-account.bicep", "account", "properties.defaultToOAuthAuthentication", True),
    ("modules/storage-account.bicep", "account", "properties.supportsHttpsTrafficOnly", True),
    ("modules/storage-account.bicep", "account", "properties.minimumTlsVersion", "TLS1_2"),
    ("modules/storage-account.bicep", "blobContainers", "properties.publicAccess", "None"),
    # What was deleted is gone: a scan that was sent, and a person who asked to be forgotten.
    ("modules/storage-account.bicep", "blobService", "properties.deleteRetentionPolicy.enabled", False),
    ("modules/storage-account.bicep", "blobService", "properties.isVersioningEnabled", False),
    ("modules/storage-account.bicep", "deleteLock", "properties.level", "CanNotDelete"),
    ("modules/vault.bicep", "deleteLock", "properties.level", "CanNotDelete"),
    ("modules/vault.bicep", "vault", "properties.enableRbacAuthorization", True),
    ("modules/vault.bicep", "vault", "properties.enablePurgeProtection", True),
    ("modules/vault.bicep", "vault", "properties.enableSoftDelete", True),
    ("modules/vault.bicep", "wrappingKey", "properties.kty", "RSA"),
    ("modules/vault.bicep", "wrappingKey", "properties.keySize", 3072),
    ("modules/vault.bicep", "wrappingKey", "properties.keyOps", ["wrapKey", "unwrapKey"]),
    ("modules/vault.bicep", "wrappingKey", "properties.attributes.exportable", False),
    ("modules/component.bicep", "component", "properties.DisableLocalAuth", True),
    ("modules/component.bicep", "component", "properties.DisableIpMasking", False),
    ("modules/workspace.bicep", "workspace", "properties.features.disableLocalAuth", True),
    ("modules/site.bicep", "site", "identity.type", "UserAssigned"),
    ("modules/site.bicep", "site", "properties.httpsOnly", True),
    ("modules/site.bicep", "site", "properties.siteConfig.minTlsVersion", "1.2"),
    ("modules/site.bicep", "site", "properties.siteConfig.scmMinTlsVersion", "1.2"),
    ("modules/site.bicep", "site", "properties.siteConfig.ftpsState", "Disabled"),
    ("modules/site.bicep", "site", "properties.siteConfig.remoteDebuggingEnabled", False),
    ("modules/site.bicep", "ftpPassword", "properties.allow", False),
    ("modules/site.bicep", "scmPassword", "properties.allow", False),
    ("modules/site.bicep", "site", "properties.functionAppConfig.runtime.version", "3.13"),
    ("modules/site.bicep", "appSettings", "properties.ENVIRONMENT", "production"),
    ("modules/site.bicep", "appSettings", "properties.DataStorage__credential", "managedidentity"),
    ("modules/site.bicep", "appSettings", "properties.AzureWebJobsStorage__credential", "managedidentity"),
)
ASSIGNMENTS = "modules/role-assignments.bicep"
ROLES: Mapping[str, tuple[str, str, str]] = {
    "hostBlobs": ("storageBlobDataOwner", "hostStorage", "identityPrincipalId"),
    "hostTables": ("storageTableDataContributor", "hostStorage", "identityPrincipalId"),
    "dataTables": ("storageTableDataContributor", "dataStorage", "identityPrincipalId"),
    "dataQueues": ("storageQueueDataContributor", "dataStorage", "identityPrincipalId"),
    "dataDocuments": ("storageBlobDataContributor", "documents", "identityPrincipalId"),
    "dataDelegator": ("storageBlobDelegator", "dataStorage", "identityPrincipalId"),
    "wrapping": ("keyVaultCryptoServiceEncryptionUser", "wrappingKey", "identityPrincipalId"),
    "secrets": ("keyVaultSecretsUser", "vault", "identityPrincipalId"),
    "telemetry": ("monitoringMetricsPublisher", "component", "identityPrincipalId"),
    "operatorSecrets": ("keyVaultSecretsOfficer", "vault", "operatorPrincipalId"),
}
"""Assignment: role, the smallest thing that it is needed for, and whose it is. Whoever adds one argues it here."""
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
FORBIDDEN = ("listKeys", "listAccountSas", "AccountKey", "listSecrets", "WEBSITE_RUN_FROM_PACKAGE", "newGuid")
"""Words of a template that hands out a key, or makes a secret that stands in the deployment's history."""


def deviations(read: Sequence[File]) -> Iterator[str]:
    """Yield every place of the templates that is not as it must be."""
    by_name = {file.name: file for file in read}
    for name, symbol, path, value in REQUIRED:
        found = _at(_resource(by_name[name], symbol), path)
        if found != value or isinstance(found, bool) is not isinstance(value, bool):
            yield f"{name}: {symbol}.{path} is {found!r} in place of {value!r}"
    yield from _roles(by_name[ASSIGNMENTS])
    for file in read:
        for word in FORBIDDEN:
            if word in file.text:
                yield f"{file.name}: {word} should not be there"
        if file.name != ASSIGNMENTS:
            for resource in file.resources:
                if resource.type.endswith("/roleAssignments"):
                    yield f"{resource.place}: roles are assigned in {ASSIGNMENTS} alone"


def _resource(file: File, symbol: str) -> Mapping[str, Any]:
    return next((resource.config for resource in file.resources if resource.symbol == symbol), {})


def _at(config: Any, path: str) -> Any:
    for step in path.split("."):
        config = config.get(step) if isinstance(config, Mapping) else None
    return config


def _roles(file: File) -> Iterator[str]:
    for name, number in ROLE_IDS.items():
        if file.variables.get(name) != number:
            yield f"{file.name}: {name} is {file.variables.get(name)}, and not {number}"
    found = {resource.symbol: _assigned(file, resource) for resource in file.resources if not resource.existing}
    for symbol, wanted in ROLES.items():
        if symbol not in found:
            yield f"{file.name}: {symbol} is missing"
        elif found[symbol] != wanted:
            yield f"{file.name}: {symbol} is {found[symbol]} in place of {wanted}"
    for symbol in sorted(set(found) - set(ROLES)):
        yield f"{file.name}: {symbol} is argued nowhere"


def _assigned(file: File, resource: Resource) -> tuple[str, ...]:
    """Return role, scope and principal of an assignment; its name must be made of all three."""
    block = file.text[file.text.index(f"resource {resource.symbol} '") :].split("\n}\n")[0]
    roles = re.findall(r"roleDefinitions', (\w+)\)", block)
    scope, principal = str(resource.config.get("scope")), str(_at(resource.config, "properties.principalId"))
    if len(roles) != 1 or f"name: guid({scope}.id, {principal}, {roles[0]})" not in block:
        return ("its name or role is not read",)
    kind = _at(resource.config, "properties.principalType")
    if principal == "identityPrincipalId" and kind != "ServicePrincipal":
        return (f"principalType {kind}",)
    return roles[0], scope, principal
