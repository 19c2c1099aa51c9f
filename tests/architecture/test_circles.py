"""No module of the product imports itself by way of others: imports inside functions and for type checkers count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.architecture.test_imports import MODULES, ROOT


def file_of(module: str) -> Path:
    """Return the file of a module or package."""
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports_in(source: str, module: str) -> Iterator[str]:
    """Yield the modules that the import statements of a module name, and the packages that are executed before them.

    The packages around the module itself are under way already: only who takes a name out of them depends on them.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            named = [
                name if (name := f"{node.module}.{alias.name}") in MODULES else str(node.module)
                for alias in node.names
            ]
        else:
            continue
        for name in named:
            yield name
            yield from (package for package in packages_of(name) if package not in packages_of(module))


def packages_of(module: str) -> list[str]:
    """Return the packages around a module, the outermost first."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def graph() -> dict[str, set[str]]:
    """Return which modules of the product each one imports."""
    return {
        module: {name for name in imports_in(file_of(module).read_text(), module) if name in MODULES}
        for module in MODULES
    }


def circles(imports: Mapping[str, set[str]]) -> list[frozenset[str]]:
    """Return the groups of modules of which each one reaches each other one, by Tarjan's algorithm."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[frozenset[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for target in sorted(imports[module]):
            if target not in order:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], order[target])
        if lowest[module] == order[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(frozenset(group))

    for module in sorted(imports):
        if module not in order:
            visit(module)
    return found


def test_no_module_imports_itself_by_way_of_others():
    assert list(circles(graph())) == []


SOURCE = """
import nodes.addresses
from nodes import clusters
from nodes.drafts import Draft
if TYPE_CHECKING:
    from nodes.models import Instance
def late():
    from pulse.lib import feed
"""


def test_imports_inside_functions_and_for_type_checkers_are_among_those_that_are_judged():
    assert set(imports_in(SOURCE, "nodes.editing")) == {
        "nodes.addresses", "nodes.clusters", "nodes.drafts", "nodes.models", "pulse", "pulse.lib", "pulse.lib.feed",
    }  # fmt: skip


def test_who_takes_a_name_out_of_the_package_around_it_depends_on_it():
    assert set(imports_in("from nodes import clusters", "nodes.editing")) == {"nodes.clusters"}
    assert set(imports_in("from nodes import NAME", "nodes.editing")) == {"nodes"}


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [{"a", "b"}]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, [{"a", "b", "c"}]),
        ({"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}}, [{"c", "d"}, {"a", "b"}]),
    ],
    ids=["none", "two", "three, and one who only looks at them", "two circles"],
)
def test_circles_are_found(imports, expected):
    assert circles(imports) == expected
