"""What it costs to register the functions: Azure indexes the app with an empty environment and a deadline."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60
HEAVY = ("fastapi", "starlette", "pydantic", "msal", "jwt", "cryptography", "requests", "azure.data", "azure.storage")

INDEX = """
import json, sys
sys.path.insert(0, sys.argv[1])
import function_app
names = [function.get_function_name() for function in function_app.app.get_functions()]
print(json.dumps([names, sorted(sys.modules)]))
"""


def index(house: Path) -> tuple[list[str], list[str]]:
    """Index the app at ``house`` as the worker does; return its functions and every module that was imported."""
    answer = subprocess.run(
        [sys.executable, "-I", "-c", INDEX, str(house)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={},
        check=True,
    )
    functions, imported = json.loads(answer.stdout)
    return functions, imported


def heavy(imported: list[str]) -> set[str]:
    """Which of the expensive packages are among these modules."""
    return {name for name in HEAVY if name in imported}


def test_registering_the_doors_imports_no_framework_and_no_sdk() -> None:
    """With an empty environment a house with doors indexes, and imports neither FastAPI nor an SDK on the way."""
    doors = list(HOUSE.glob("functions/[!_]*.py"))
    functions, imported = index(HOUSE) if doors else ([], [])
    assert bool(functions) == bool(doors)
    assert heavy(imported) == set()


@pytest.mark.parametrize("name", HEAVY)
def test_an_import_on_the_way_is_seen(name: str, tmp_path: Path) -> None:
    """The test above can fail."""
    module = "azure.data.tables" if name == "azure.data" else "azure.storage.blob" if name == "azure.storage" else name
    (tmp_path / "function_app.py").write_text(
        f"import azure.functions as func\nimport {module}\napp = func.FunctionApp()\n", encoding="utf-8"
    )
    functions, imported = index(tmp_path)
    assert functions == []
    assert name in heavy(imported)
