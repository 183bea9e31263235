"""The house rules that a linter does not know, as functions from a source tree to violations.

Each rule is a function of one module; ``RULES`` pairs it with its promise and with a bad sample
that proves that it can fail. Imports between our own packages are import-linter's business
(pyproject.toml); vendors are here, because it sees no deeper than ``azure``.
"""

import ast
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

NOT_OURS = {".git", ".venv", ".run", ".mypy_cache", ".ruff_cache", ".pytest_cache", "__pycache__", "node_modules"}
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager"}
SERVED = ("function_app.py", "functions/", "shared/")
"""What runs in Azure."""
VENDORS = {
    "msal": ("shared/identity/",),
    "jwt": ("shared/identity/", "shared/devices/"),
    # The identity room reads a date from a certificate; it seals nothing.
    "cryptography": ("shared/vault/", "shared/identity/client_certificate.py"),
    "azure.keyvault": ("shared/vault/",),
    "azure.core": ("shared/storage/",),
    "azure.data": ("shared/storage/",),
    "azure.storage": ("shared/storage/",),
    "smtplib": ("shared/mail/",),
}
"""Each vendor's rooms; no other room, and no door, imports it."""
MACS = {"_mac", "_link", "_signature"}
"""What our rooms call the functions that make one."""
COUNTERPARTS = ("local/microsoft/", "local/printer/", "clients/")
HTTP_VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "request"}
BUILT_AT_IMPORT = re.compile(
    r"(Client|Session|ClientApplication|Credential|from_connection_string|FastAPI|Starlette|AsgiFunctionApp|Services)$"
)
ODATA_BEFORE_VALUE = re.compile(r"\w (eq|ne|gt|ge|lt|le) (guid|datetime|binary|X)?'?$")
ODATA_WITH_MARK = re.compile(r"\w (eq|ne|gt|ge|lt|le) (guid|datetime|binary|X)?'?[%{]")


@dataclass(frozen=True)
class Module:
    """One source file: where it lies below the house's root (POSIX), and what it says."""

    path: str
    tree: ast.Module

    def is_in(self, *places: str) -> bool:
        """Whether it lies in one of these folders (``folder/``) or is one of these files."""
        return any(self.path == place or (place.endswith("/") and self.path.startswith(place)) for place in places)


@dataclass(frozen=True)
class Rule:
    """A promise about every module, and a file that breaks it."""

    promise: str
    breaks: Callable[[Module], Iterator[str]]
    bad_path: str
    bad_source: str


def modules(house: Path) -> list[Module]:
    """Every Python file of the tree at ``house`` that is ours."""
    ours = []
    for folder, folders, files in os.walk(house):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        ours += [Path(folder, name) for name in files if name.endswith(".py")]
    return [Module(path.relative_to(house).as_posix(), ast.parse(path.read_bytes())) for path in sorted(ours)]


def violations(rule: Rule, tree: Iterable[Module]) -> list[str]:
    """Where a tree breaks the rule: ``path:line or name``."""
    return [f"{module.path}: {what}" for module in tree for what in rule.breaks(module)]


def empty_names(module: Module) -> Iterator[str]:
    """A file or package whose name says nothing."""
    path = Path(module.path)
    yield from sorted({path.stem, *path.parent.parts} & EMPTY_NAMES)


def environment_reads(module: Module) -> Iterator[str]:
    """The environment, read where settings are not."""
    names = {"environ", "environb", "getenv", "getenvb"}
    if not module.is_in(*SERVED) or module.path == "shared/settings.py":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in names and name_of(node.value) == "os":
            yield f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom) and node.module == "os" and names & {alias.name for alias in node.names}:
            yield f"line {node.lineno}"


def formatted_filters(module: Module) -> Iterator[str]:
    """An OData filter that a value was formatted into; values belong into its parameters."""
    if not module.is_in(*SERVED, "local/"):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            filters = [word.value for word in node.keywords if word.arg in {"query_filter", "filter"}]
            if name_of(node.func).endswith("query_entities"):
                filters += node.args[:1]
            if any(_is_formatted(expression) for expression in filters):
                yield f"line {node.lineno}"
        if isinstance(node, ast.JoinedStr):
            pairs = zip(node.values, node.values[1:], strict=False)
            if any(ODATA_BEFORE_VALUE.search(_text(left)) and not _text(right) for left, right in pairs):
                yield f"line {node.lineno}"
        elif isinstance(node, ast.Constant) and ODATA_WITH_MARK.search(_text(node)):
            yield f"line {node.lineno}"


def undocumented_packages(module: Module) -> Iterator[str]:
    """A package that does not introduce itself."""
    ours = module.is_in("shared/", "functions/", "local/")
    if ours and module.path.endswith("/__init__.py") and not ast.get_docstring(module.tree):
        yield "no docstring"


def clients_at_import(module: Module) -> Iterator[str]:
    """A client, a session or an app that is made when the module is imported."""
    if not module.is_in(*SERVED):
        return
    for node in _run_at_import(module.tree):
        if isinstance(node, ast.Call) and BUILT_AT_IMPORT.search(name_of(node.func)):
            yield f"line {node.lineno}: {name_of(node.func)}"


def vendors_out_of_place(module: Module) -> Iterator[str]:
    """A vendor's SDK imported outside its room."""
    if not module.is_in(*SERVED):
        return
    for line, name in imports(module.tree):
        for vendor, rooms in VENDORS.items():
            if (name == vendor or name.startswith(vendor + ".")) and not module.is_in(*rooms):
                yield f"line {line}: {name}"


def counterparts_that_share(module: Module) -> Iterator[str]:
    """A stand-in for the other side that shares code with what it is to judge."""
    if module.is_in(*COUNTERPARTS):
        theirs = {"shared", "functions", "local"} if module.is_in("clients/") else {"shared", "functions"}
        for line, name in imports(module.tree):
            if name.split(".")[0] in theirs:
                yield f"line {line}: {name}"


def calls_without_timeout(module: Module) -> Iterator[str]:
    """A call over the network that could wait for ever."""
    if not module.is_in(*SERVED):
        return
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        receiver, _, called = name_of(node.func).rpartition(".")
        http = called in HTTP_VERBS and re.search(r"(^|[._])(requests|session|http)$", receiver)
        other = called in {"urlopen", "SMTP", "SMTP_SSL", "create_connection", "HTTPSConnection", "HTTPConnection"}
        if (http or other) and "timeout" not in {word.arg for word in node.keywords}:
            yield f"line {node.lineno}: {name_of(node.func)}"


def function_apps(module: Module) -> Iterator[str]:
    """A FunctionApp beside the one in function_app.py: a second one is never indexed."""
    made = [
        node.lineno
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and name_of(node.func).split(".")[-1] == "FunctionApp"
    ]
    allowed = 1 if module.path == "function_app.py" else 0
    yield from (f"line {line}" for line in made[allowed:])


def clocks_taken(module: Module) -> Iterator[str]:
    """The time, read where it should be given: a test could not move it. A span of time (monotonic) may be measured."""
    if not module.is_in(*SERVED) or module.path == "shared/services.py":
        return
    taken = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ".".join(name_of(node.func).split(".")[-2:]) in taken:
            yield f"line {node.lineno}"


def prints(module: Module) -> Iterator[str]:
    """A print in what runs in Azure, where it would pass by the log's rules."""
    if module.is_in(*SERVED):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and name_of(node.func) == "print":
                yield f"line {node.lineno}"


def homeless_modules(house: Path) -> list[str]:
    """Folders under shared/, functions/ and local/ with Python files and no ``__init__.py``."""
    folders = {
        (house / module.path).parent for module in modules(house) if module.is_in("shared/", "functions/", "local/")
    }
    return sorted(str(folder.relative_to(house)) for folder in folders if not (folder / "__init__.py").exists())


def name_of(node: ast.AST) -> str:
    """The dotted name of an expression; what is not a name shows as ``()``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return "()"


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_formatted(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add | ast.Mod)
    return isinstance(node, ast.Call) and name_of(node.func).endswith(".format")


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything imported, wherever it stands; ``from a import b`` gives ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def macs_compared_by_equality(module: Module) -> Iterator[str]:
    """A MAC compared by == or !=: how long that takes tells how much of it was right (I12)."""
    if not module.is_in(*SERVED):
        return
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
            continue
        for side in (node.left, *node.comparators):
            called = name_of(side.func).rpartition(".")[2] if isinstance(side, ast.Call) else ""
            if called in MACS or (called == "digest" and name_of(side.func).startswith("hmac")):  # type: ignore[attr-defined]
                yield f"line {node.lineno}: {called}"


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that is evaluated when the module is imported: not the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Lambda):
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            defaults = [default for default in child.args.kw_defaults if default]
            for part in (*child.decorator_list, *child.args.defaults, *defaults):
                yield part
                yield from _run_at_import(part)
            continue
        yield child
        yield from _run_at_import(child)


RULES = (
    Rule("names say something", empty_names, "shared/utils.py", ""),
    Rule("packages have names that say something too", empty_names, "shared/common/__init__.py", '"""x"""'),
    Rule("only settings.py reads the environment", environment_reads, "shared/x.py", "import os\na = os.environ['A']"),
    Rule("getenv is a read too", environment_reads, "functions/x.py", "import os\na = os.getenv('A')"),
    Rule("so is a name imported from os", environment_reads, "function_app.py", "from os import environ"),
    Rule("no OData filter is formatted", formatted_filters, "shared/x.py", "t.query_entities(f\"RowKey eq '{key}'\")"),
    Rule("not beforehand either", formatted_filters, "shared/x.py", "wanted = f\"state ne '{state}' and a eq 1\""),
    Rule("nor with %", formatted_filters, "shared/x.py", "wanted = \"state ne '%s'\" % state"),
    Rule("nor by joining", formatted_filters, "shared/x.py", "t.query_entities(query_filter=first + ' and ' + second)"),
    Rule("every package introduces itself", undocumented_packages, "shared/x/__init__.py", "a = 1"),
    Rule(
        "no client is made at import",
        clients_at_import,
        "shared/storage/x.py",
        "import azure.data.tables as t\nclient = t.TableServiceClient('https://x')",
    ),
    Rule("nor as a default", clients_at_import, "shared/x.py", "import requests\ndef f(s=requests.Session()): ..."),
    Rule("nor in a class", clients_at_import, "functions/x.py", "class A:\n    app = fastapi.FastAPI()"),
    Rule("MSAL stays in identity", vendors_out_of_place, "shared/mail/x.py", "def f():\n    import msal"),
    Rule("doors import no vendor", vendors_out_of_place, "functions/x.py", "from azure.storage import blob"),
    Rule("the cipher stays in the vault", vendors_out_of_place, "shared/scans/x.py", "from cryptography import x509"),
    Rule("counterparts share no code", counterparts_that_share, "local/printer/x.py", "from shared.scans import kinds"),
    Rule("a device maker gets no code of ours", counterparts_that_share, "clients/x.py", "from local.printer import x"),
    Rule("every call has a timeout", calls_without_timeout, "shared/x.py", "requests.get('https://x')"),
    Rule("a session's too", calls_without_timeout, "shared/x.py", "class A:\n    def f(s): s._session.post('x')"),
    Rule("SMTP too", calls_without_timeout, "shared/mail/x.py", "import smtplib\ns = smtplib.SMTP('x', 587)"),
    Rule(
        "no MAC is compared by equality (I12)",
        macs_compared_by_equality,
        "shared/x.py",
        "class A:\n    def f(s, mac): return mac == s._mac(b'x')",
    ),
    Rule("nor where it is made", macs_compared_by_equality, "shared/x.py", "a = b != hmac.digest(k, m, 'sha256')"),
    Rule("one FunctionApp", function_apps, "functions/x.py", "import azure.functions as f\napp = f.FunctionApp()"),
    Rule("one is one", function_apps, "function_app.py", "a = f.FunctionApp()\nb = f.FunctionApp()"),
    Rule("time is given", clocks_taken, "shared/x.py", "import datetime as dt\nnow = dt.datetime.now(dt.UTC)"),
    Rule("nothing prints", prints, "shared/x.py", "print('hello')"),
)
