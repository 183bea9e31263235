"""Holds every resource of our Bicep against the models of Microsoft's own SDKs, for ``make infra-check``.

Found are unknown properties (with the name that was perhaps meant), read-only ones, values that an enumeration does not
have, and numbers or truth values of the wrong kind. The models are of the newest API version and ours may be older, and
what an expression will be is not known here; ``az bicep build`` and ``what-if`` in a CI with a way to Azure know more.
"""

from __future__ import annotations

import difflib
import enum
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from infra.bicep import File, Resource

MODELS = {
    "Microsoft.Web/sites": "web.models:Site",
    "Microsoft.Web/serverfarms": "web.models:AppServicePlan",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "web.models:CsmPublishingCredentialsPoliciesEntity",
    "Microsoft.Storage/storageAccounts": "storage.models:StorageAccountCreateParameters",
    "Microsoft.Storage/storageAccounts/blobServices": "storage.models:BlobServiceProperties",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "storage.models:BlobContainer",
    "Microsoft.Storage/storageAccounts/queueServices": "storage.models:QueueServiceProperties",
    "Microsoft.Storage/storageAccounts/queueServices/queues": "storage.models:StorageQueue",
    "Microsoft.Storage/storageAccounts/tableServices": "storage.models:TableServiceProperties",
    "Microsoft.Storage/storageAccounts/tableServices/tables": "storage.models:Table",
    "Microsoft.Storage/storageAccounts/managementPolicies": "storage.models:ManagementPolicy",
    "Microsoft.KeyVault/vaults": "keyvault.models:VaultCreateOrUpdateParameters",
    "Microsoft.KeyVault/vaults/keys": "keyvault.models:KeyCreateParameters",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "msi.models:Identity",
    "Microsoft.OperationalInsights/workspaces": "loganalytics.models:Workspace",
    "Microsoft.Insights/components": "applicationinsights.v2020_02_02.models:ApplicationInsightsComponent",
    "Microsoft.Insights/scheduledQueryRules": "monitor.models:ScheduledQueryRuleResource",
    "Microsoft.Insights/actionGroups": "monitor.models:ActionGroupResource",
    "Microsoft.Authorization/roleAssignments": "authorization.v2022_04_01.models:RoleAssignmentCreateParameters",
    "Microsoft.Network/publicIPAddresses": "network.models:PublicIPAddress",
    "Microsoft.Network/natGateways": "network.models:NatGateway",
    "Microsoft.Network/virtualNetworks": "network.models:VirtualNetwork",
}
"""Resource type -> module below azure.mgmt, and class."""
ANSWERS = {
    "Microsoft.Storage/storageAccounts": "storage.models:StorageAccount",
    "Microsoft.KeyVault/vaults": "keyvault.models:Vault",
}
"""What a resource is when it is there, where that is another class: other files read its properties."""
WITHOUT_MODEL = {
    "Microsoft.Resources/resourceGroups": "name, location and tags alone",
    "Microsoft.Web/sites/config": "names and values of our own; tests/infra compares them with shared/settings.py",
    "Microsoft.Authorization/locks": "no package on PyPI that the others do not pull apart",
    "Microsoft.Insights/diagnosticSettings": "azure-mgmt-monitor has dropped it",
}
BICEPS_OWN = {"parent", "scope", "dependsOn", "name", "location", "tags", "zones"}


@dataclass(frozen=True)
class Property:
    """What a model says of one property."""

    kind: Any = None
    """A model class, ``bool``, ``int``, or None where it may be anything."""
    many: bool = False
    values: frozenset[str] = frozenset()
    read_only: bool = False
    inside: Mapping[str, Property] | None = None
    """Of a property that the SDK has flattened."""


def load(name: str) -> Any:
    """Import the class of :data:`MODELS`' right side."""
    module, _, class_name = name.partition(":")
    return getattr(import_module(f"azure.mgmt.{module}"), class_name)


def properties(model: Any) -> dict[str, Property]:
    """Return what a model knows, by the names of the wire."""
    return _of_msrest(model) if hasattr(model, "_attribute_map") else _of_rest_fields(model)


def _of_rest_fields(model: Any) -> dict[str, Property]:
    model()  # fields are only put together when the first one is made
    namespace = vars(import_module(model.__module__))
    namespace = {**namespace, "_models": import_module(model.__module__.rpartition(".")[0])}
    hints = typing.get_type_hints(model, namespace)
    found = {}
    for attribute, field in model._attr_to_rest_field.items():  # noqa: SLF001  (there is no public way to it)
        read_only = field._visibility == ["read"]  # noqa: SLF001
        found[field._rest_name] = _by_hint(hints.get(attribute), read_only=read_only)  # noqa: SLF001
    return found


def _by_hint(hint: Any, *, read_only: bool) -> Property:
    arguments = [part for part in typing.get_args(hint) if part is not type(None)]
    origin = typing.get_origin(hint)
    if origin is list:
        return Property(_by_hint(arguments[0], read_only=False).kind, many=True, read_only=read_only)
    if origin is dict:
        return Property(read_only=read_only)
    enums = [part for part in arguments if isinstance(part, type) and issubclass(part, enum.Enum)]
    if enums:
        return Property(str, values=frozenset(str(value.value) for value in enums[0]), read_only=read_only)
    if arguments:
        return _by_hint(arguments[0], read_only=read_only)
    return Property(hint, read_only=read_only)


def _of_msrest(model: Any) -> dict[str, Property]:
    namespace = import_module(model.__module__.rpartition(".")[0])
    tree: dict[str, Any] = {}
    for attribute, said in model._attribute_map.items():  # noqa: SLF001  (msrest's own reflection)
        read_only = bool(model._validation.get(attribute, {}).get("readonly"))  # noqa: SLF001
        many = said["type"].startswith("[")
        kind = said["type"].strip("[]")
        known = {"bool": bool, "int": int}.get(kind) or getattr(namespace, kind, None)
        *path, last = said["key"].split(".")
        place = tree
        for step in path:
            place = place.setdefault(step, {})
        place[last] = Property(known, many=many, read_only=read_only)
    return _folded(tree)


def _folded(tree: Mapping[str, Any]) -> dict[str, Property]:
    return {
        name: value if isinstance(value, Property) else Property(inside=_folded(value)) for name, value in tree.items()
    }


def deviations(resource: Resource, symbols: set[str]) -> Iterator[str]:
    """Yield what Microsoft's model says against a resource; ``symbols`` are names that stand for something else."""
    if resource.existing or resource.type in WITHOUT_MODEL:
        return
    if resource.type not in MODELS:
        yield f"{resource.place}: no model is known for {resource.type}"
        return
    config = {name: value for name, value in resource.config.items() if name not in BICEPS_OWN}
    yield from _against(config, properties(load(MODELS[resource.type])), resource.place, symbols)


def references(file: File) -> Iterator[str]:
    """Yield the properties of a resource that a file reads and that Microsoft's model of it does not have."""
    for resource in file.resources:
        model = ANSWERS.get(resource.type) or MODELS.get(resource.type)
        if model is None:
            continue
        for path in sorted(set(re.findall(rf"(?<![\w.]){resource.symbol}\.(properties\.[\w.\[\]]+)", file.text))):
            known: Mapping[str, Property] | None = properties(load(model))
            for step in re.sub(r"\[\d+\]", "", path).split("."):
                said = None if known is None else known.get(step)
                if known is not None and said is None:
                    yield f"{resource.place}: {path} is read, and {step} is unknown"
                    break
                if said is not None:
                    known = said.inside or (properties(said.kind) if _is_model(said.kind) else None)


def _against(given: Any, known: Mapping[str, Property], place: str, symbols: set[str]) -> Iterator[str]:
    if not isinstance(given, Mapping) or _is_expression(given):
        return
    for spelled, value in given.items():
        name = spelled.strip("'")
        said = known.get(name)
        if said is None:
            near = difflib.get_close_matches(name, known, 1)
            yield f"{place}.{name} is unknown" + (f"; {near[0]}?" if near else "")
        elif said.read_only:
            yield f"{place}.{name} is read-only"
        else:
            yield from _value(value, said, f"{place}.{name}", symbols)


def _value(  # noqa: C901  (one branch for each kind of JSON value)
    value: Any, said: Property, place: str, symbols: set[str]
) -> Iterator[str]:
    if isinstance(value, list):
        if said.kind is not None and not said.many:
            yield f"{place} is no list"
            return
        for position, one in enumerate(value):
            yield from _value(one, Property(said.kind, inside=said.inside), f"{place}[{position}]", symbols)
    elif isinstance(value, Mapping):
        inside = said.inside or (properties(said.kind) if _is_model(said.kind) else None)
        if inside is not None:
            yield from _against(value, inside, place, symbols)
    elif isinstance(value, str):
        if value not in symbols and re.fullmatch(r"[\w. -]+", value):
            yield from _text(value, said, place)
    elif isinstance(value, bool):
        if said.kind in {int, str} or _is_model(said.kind):
            yield f"{place} is a truth value"
    elif isinstance(value, int) and (said.kind is bool or said.values or _is_model(said.kind)):
        yield f"{place} is a number"


def _text(value: str, said: Property, place: str) -> Iterator[str]:
    if said.kind is bool or said.kind is int:
        yield f"{place} is {value!r}, and no {said.kind.__name__}"
    elif said.values and value not in said.values:
        yield f"{place} is {value!r}, and none of {', '.join(sorted(said.values))}"


def _is_expression(value: Mapping[str, Any]) -> bool:
    return set(value) <= {"operator", "function", "loop_type", "config"} and bool(value)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and (hasattr(kind, "_attribute_map") or hasattr(kind, "__mapping__") or _hybrid(kind))


def _hybrid(kind: type) -> bool:
    return any(base.__name__ == "Model" for base in kind.__mro__)
