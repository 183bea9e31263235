"""The templates, read once."""

import pytest

from infra.bicep import File, files


@pytest.fixture(scope="session")
def read() -> dict[str, File]:
    """Every Bicep file, by its name."""
    return {file.name: file for file in files()}
