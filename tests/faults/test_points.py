"""No commit and no request to the homeserver escapes the fail points."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.live.homeserver import CHECKOUT

_HOLDERS = {"session", "_session", "opened", "http", "_http", "connection"}
_HTTP = {"get", "post", "put", "delete", "patch", "head", "options", "request", "ws_connect"}


@cache
def _modules() -> list[tuple[str, ast.Module]]:
    return [
        (str(file.relative_to(CHECKOUT)), ast.parse(file.read_text(encoding="utf-8")))
        for package in ("service", "handlers", "schema")
        for file in sorted((CHECKOUT / package).rglob("*.py"))
    ]


@cache
def _nodes() -> list[tuple[str, str, ast.AST]]:
    """Every call, text and import, with the file and the function that it stands in, innermost."""
    found: list[tuple[str, str, ast.AST]] = []

    def walk(file: str, node: ast.AST, name: str, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{name}.{child.name}" if name else child.name
                walk(file, child, inner, function if isinstance(child, ast.ClassDef) else inner)
            else:
                if isinstance(child, ast.Call | ast.Constant | ast.Import | ast.ImportFrom):
                    found.append((file, function, child))
                walk(file, child, name, function)

    for file, tree in _modules():
        walk(file, tree, "", "(module)")
    return found


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Every function with its qualified name."""

    def walk(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{name}.{child.name}" if name else child.name
                if not isinstance(child, ast.ClassDef):
                    yield inner, child
                yield from walk(child, inner)
            else:
                yield from walk(child, name)

    yield from walk(tree, "")


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _places(found: Iterator[tuple[str, str]]) -> set[str]:
    return {f"{file}: {name}" for file, name in found}


def _requests() -> Iterator[tuple[str, str]]:
    for file, name, node in _nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            holder = _last(node.func.value).lower()
            if node.func.attr in _HTTP and holder in _HOLDERS:
                yield file, name


def _commits() -> Iterator[tuple[str, str]]:
    for file, name, node in _nodes():
        commits = isinstance(node, ast.Constant) and node.value == "COMMIT"
        called = isinstance(node, ast.Call) and _last(node.func) == "commit"
        if commits or called:
            yield file, name


def _texts(function: ast.AST) -> set[str]:
    """The texts of the fail points that a function passes."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _last(node.func) == "reached":
            (given,) = node.args
            assert isinstance(given, ast.JoinedStr)
            found.add(str(given.values[0].value) if isinstance(given.values[0], ast.Constant) else "")
    return found


def _function(path: str, name: str) -> ast.AST:
    tree = ast.parse((CHECKOUT / path).read_text(encoding="utf-8"))
    return dict(_functions(tree))[name]


def test_one_function_asks_the_homeserver() -> None:
    """Every request goes through the transport, which stands between two fail points."""
    assert _places(_requests()) == {"service/matrix/transport.py: Transport._exchange"}
    request = _function("service/matrix/transport.py", "Transport._exchange")
    assert _texts(request) == {"before ", "after "}


def test_one_function_commits() -> None:
    """Every commit stands between two fail points, but for the migrations, which come before all."""
    assert _places(_commits()) == {
        "service/store/transaction.py: Transaction.commit",
        "service/store/store.py: Store.transaction",
        "service/store/migration.py: migrate",
    }
    assert _texts(_function("service/store/store.py", "Store.transaction")) == {
        "before commit ",
        "after commit ",
    }


def test_no_other_way_out() -> None:
    """No module imports another library that opens connections than aiohttp and the databases' own."""
    barred = {"requests", "httpx", "urllib.request", "http.client", "urllib3", "socket", "ftplib", "smtplib"}
    for file, _, node in _nodes():
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found = barred & set(names)
        if found == {"socket"} and file == "service/lease.py":
            continue  # For the name of this machine, which the lease tells.
        assert not found, f"{file} imports {found}"


def test_the_fail_points_are_off_by_default() -> None:
    """Without the two variables a fail point returns at once."""
    text = (Path(CHECKOUT) / "service/failpoint.py").read_text(encoding="utf-8")
    first = ast.unparse(dict(_functions(ast.parse(text)))["reached"]).splitlines()[2:4]
    assert first == ["    if _at is None and _log is None:", "        return"]
