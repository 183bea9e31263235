"""The bill of materials of the package: CycloneDX 1.6 in JSON (ECMA-424), of the packages that are really in it.

It carries no date and no serial number, so that the same package has the same bill; who publishes a release adds both.
"""

from __future__ import annotations

from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

NAME = "to-my-email"


def of(site_packages: Path) -> dict[str, Any]:
    """Return the bill of the distributions installed in ``site_packages``, sorted by name."""
    components = [_component(found) for found in distributions(path=[str(site_packages)])]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": NAME, "bom-ref": NAME}},
        "components": sorted(components, key=lambda component: component["bom-ref"]),
        "dependencies": [{"ref": NAME, "dependsOn": sorted(component["bom-ref"] for component in components)}],
    }


def _component(found: Distribution) -> dict[str, Any]:
    name = found.name.lower().replace("_", "-").replace(".", "-")
    # Package URLs of PyPI are lower case, with dashes (the purl specification, type pypi).
    purl = f"pkg:pypi/{name}@{found.version}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": found.name,
        "version": found.version,
        "purl": purl,
    }
    said: Any = found.metadata
    if expression := said.get("License-Expression"):
        component["licenses"] = [{"expression": expression}]
    elif (named := (said.get("License") or "").strip()) and "\n" not in named:
        component["licenses"] = [{"license": {"name": named}}]
    else:
        classified = [
            line.rpartition(" :: ")[2]
            for line in said.get_all("Classifier") or []
            if line.startswith("License :: ") and line != "License :: OSI Approved"
        ]
        if classified:
            component["licenses"] = [{"license": {"name": name}} for name in sorted(classified)]
    return component
