"""``make infra-check``: our Bicep files, and mistakes that are planted in copies of them, each of which must be found.

Who finds what: :mod:`infra.bicep` names, modules and outputs; :mod:`infra.models` properties and values that Microsoft
does not know; :mod:`infra.safety` what Microsoft would take and we must not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from infra import bicep, safety
from infra.bicep import File, files
from infra.planted import Mistake, mistakes

Finder = Callable[[Sequence[File]], Iterator[str]]


def by_model(read: Sequence[File]) -> Iterator[str]:
    """Yield what Microsoft's models say; only this needs their packages."""
    from infra import models

    for file in read:
        yield from models.references(file)
        for resource in file.resources:
            yield from models.deviations(resource, file.symbols)


FINDERS: dict[str, Finder] = {
    "bicep": lambda read: bicep.problems(list(read)),
    "models": by_model,
    "safety": safety.deviations,
}


def missed(mistake: Mistake, read: Sequence[File], folder: Path) -> str | None:
    """Plant a mistake in a copy below ``folder``; return what is wrong where it is not found as expected."""
    [file] = [file for file in read if file.name == mistake.file]
    if mistake.right not in file.text or mistake.right == mistake.wrong:
        return f"{mistake.file} has no {mistake.right!r} to make a mistake of"
    path = folder / mistake.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(file.text.replace(mistake.right, mistake.wrong, 1), encoding="utf-8")
    changed = [File(path, folder) if one is file else one for one in read]
    if any(mistake.complaint in problem for problem in FINDERS[mistake.finder](changed)):
        return None
    return f"{mistake.file}: {mistake.finder} did not find {mistake.wrong!r}"


def main() -> int:
    """Check our files, and that planted mistakes are found."""
    argparse.ArgumentParser(prog="python -m infra.check", description=__doc__.split("\n", 1)[0]).parse_args()
    read = files()
    found = [problem for finder in FINDERS.values() for problem in finder(read)]
    planted = list(mistakes(read))
    with tempfile.TemporaryDirectory() as folder:
        found += [told for mistake in planted if (told := missed(mistake, read, Path(folder)))]
    for problem in found:
        print(problem, file=sys.stderr)
    count = sum(len(file.resources) for file in read)
    tried = f"{len(planted)} planted mistakes tried"
    print(f"{len(read)} Bicep files with {count} resources: {len(found)} problems; {tried}.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
