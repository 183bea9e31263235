"""Mistakes that are planted in copies of our Bicep files, to see that the checks can fail."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from infra.bicep import File
from infra.safety import ASSIGNMENTS, REQUIRED, ROLE_IDS, ROLES


class Mistake(NamedTuple):
    """In which file, what is there, what stands there instead, who must find it, and a word of his complaint."""

    file: str
    right: str
    wrong: str
    finder: str
    complaint: str


ACCOUNT, VAULT, SITE = "modules/storage-account.bicep", "modules/vault.bicep", "modules/site.bicep"
SERVICE, ALERTS, MAIN = "modules/service.bicep", "modules/alerts.bicep", "main.bicep"
ASSIGNED_ELSEWHERE = """
resource wide 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(token, token)
  properties: {
    principalId: principalId
    roleDefinitionId: token
  }
}
"""
BY_HAND = (
    # properties that nobody knows
    Mistake(ACCOUNT, "allowSharedKeyAccess:", "allowSharedKeyAcces:", "models", "allowSharedKeyAccess?"),
    Mistake(VAULT, "enablePurgeProtection: true", "purgeProtection: true", "models", "unknown"),
    Mistake(SITE, "perInstanceConcurrency", "perInstanceConcurency", "models", "perInstanceConcurrency?"),
    Mistake(SITE, "instanceMemoryMB: instance", "instanceMemoryMb: instance", "models", "instanceMemoryMB?"),
    Mistake(ALERTS, "severity: rule.severity", "severty: rule.severity", "models", "severity?"),
    Mistake(VAULT, "vaultUri}keys/", "vaultUrl}keys/", "models", "vaultUrl is unknown"),
    Mistake(ACCOUNT, "primaryEndpoints.blob", "primaryEndpoints.blobs", "models", "blobs is unknown"),
    Mistake(SITE, "httpsOnly: true", "httpsOnly: true\n    state: 'Running'", "models", "read-only"),
    # values that an enumeration does not have, and of the wrong kind
    Mistake(ACCOUNT, "'TLS1_2'", "'TLS12'", "models", "none of"),
    Mistake(SITE, "'UserAssignedIdentity'", "'UserAssigned'", "models", "none of"),
    Mistake(ACCOUNT, "allowBlobPublicAccess: false", "allowBlobPublicAccess: 'no'", "models", "no bool"),
    Mistake(VAULT, "keySize: 3072", "keySize: 'large'", "models", "no int"),
    # names, modules and their outputs
    Mistake(ACCOUNT, "parent: queueService\n", "parent: queuService\n", "bicep", "queuService is not declared"),
    Mistake(SITE, "serverFarmId: plan.id", "serverFarmId: plans.id", "bicep", "plans is not declared"),
    Mistake(VAULT, "'${vault.properties.vaultUri}keys/", "'${vaults.properties.vaultUri}keys/", "bicep", "vaults"),
    Mistake(SERVICE, "    threads: threads\n", "", "bicep", "without threads"),
    Mistake(SERVICE, "    keyName: 'data-keys'\n", "", "bicep", "without keyName"),
    Mistake(SERVICE, "identity.outputs.principalId", "identity.outputs.principal", "bicep", "no output principal"),
    Mistake(SERVICE, "'egress.bicep'", "'exit.bicep'", "bicep", "not there"),
    Mistake(MAIN, "dataRedundancy: dataRedundancy", "redundancy: dataRedundancy", "bicep", "no parameter redundancy"),
    # what Microsoft would take
    Mistake(ASSIGNMENTS, "principalType: 'ServicePrincipal'", "principalType: 'Service'", "safety", "Service"),
    Mistake(ASSIGNMENTS, "  scope: wrappingKey\n", "  scope: vault\n", "safety", "wrapping is"),
    Mistake(ASSIGNMENTS, "  scope: documents\n", "  scope: dataStorage\n", "safety", "dataDocuments is"),
    Mistake(VAULT, "      'unwrapKey'\n", "      'unwrapKey'\n      'sign'\n", "safety", "keyOps"),
    Mistake(SITE, "serverFarmId: plan.id", "serverFarmId: listKeys(plan.id, '2024-04-01')", "safety", "listKeys"),
    Mistake(SERVICE, "\nmodule site ", f"{ASSIGNED_ELSEWHERE}\nmodule site ", "safety", "roles are assigned in"),
)
OTHERS = {False: "true", True: "false", "None": "'Blob'", "TLS1_2": "'TLS1_0'", "CanNotDelete": "'ReadOnly'"} | {
    "RSA": "'EC'",
    3072: "2048",
    "UserAssigned": "'SystemAssigned'",
    "1.2": "'1.0'",
    "Disabled": "'AllAllowed'",
    "3.13": "'3.9'",
    "production": "'local'",
    "managedidentity": "'key'",
}
"""For each value that is required, as Bicep spells another one that Microsoft takes."""


def mistakes(read: Sequence[File]) -> Iterator[Mistake]:
    """Yield those that were thought of by hand, and for everything that :mod:`infra.safety` wants, its opposites."""
    yield from BY_HAND
    texts = {file.name: file.text for file in read}
    for file, symbol, path, value in REQUIRED:
        if isinstance(value, list):
            continue
        name, block = path.rpartition(".")[2], _block(texts[file], symbol)
        line = f" {name}: {_spelled(value)}\n"
        for wrong in (f" {name}: {OTHERS[value]}\n", "\n"):
            yield Mistake(file, block, block.replace(line, wrong, 1), "safety", f"{symbol}.{path} is")
    text = texts[ASSIGNMENTS]
    for symbol, (role, _, _) in ROLES.items():
        block = _block(text, symbol)
        wider = "storageBlobDataOwner" if role != "storageBlobDataOwner" else "keyVaultSecretsOfficer"
        yield Mistake(ASSIGNMENTS, block, "", "safety", f"{symbol} is missing")
        yield Mistake(ASSIGNMENTS, block, block.replace(role, wider), "safety", f"{symbol} is")
    for role, number in ROLE_IDS.items():
        yield Mistake(ASSIGNMENTS, number, f"{number[:-1]}0", "safety", f"{role} is")


def _block(text: str, symbol: str) -> str:
    """Return a resource's text, from its first line to its last brace."""
    found = re.search(rf"^resource {symbol} '.*?^}}\]?\n", text, re.MULTILINE | re.DOTALL)
    return found[0] if found else f"resource {symbol}, which is not there"


def _spelled(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)
