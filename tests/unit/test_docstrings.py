"""Every module, public class and public function says what it is; a method may leave that to a class above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for folder in ("facesr_bench", "methods", "datasets")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "templates" not in path.parts and path.read_text(encoding="utf-8").strip()
]
Documented = dict[str, set[str]]
TORCH_SAYS = {"forward"}
HASHED = ("methods/", "facesr_bench/degradations/")
"""Code whose hash is in the fingerprint of results: not a letter of it is changed for this."""


def parsed() -> dict[str, ast.Module]:
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def classes(modules: dict[str, ast.Module]) -> Iterator[ast.ClassDef]:
    for tree in modules.values():
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def bases(node: ast.ClassDef) -> list[str]:
    found = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    return [base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in found]


def inherited(
    name: str, parents: dict[str, list[str]], own: Documented, seen: frozenset[str] = frozenset()
) -> set[str]:
    """What a class of that name, or one that it comes from, has a docstring for."""
    if name in seen:
        return set()
    found = set(own.get(name, set()))
    for parent in parents.get(name, []):
        found |= inherited(parent, parents, own, seen | {name})
    return found


def silent(tree: ast.Module, parents: dict[str, list[str]], own: Documented) -> Iterator[str]:
    """The public names of a module that say nothing."""
    if ast.get_docstring(tree) is None:
        yield "the module"
    here = {c.name for c in tree.body if isinstance(c, ast.ClassDef)}  # a Protocol says it for all that follow it
    protocols = set().union(*(own[name] for name in here if "Protocol" in parents[name]))
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None and "overload" not in map(ast.unparse, node.decorator_list):
                yield node.name
            if isinstance(node, ast.ClassDef):
                known = set().union(*(inherited(base, parents, own) for base in bases(node)), protocols, TORCH_SAYS)
                yield from (
                    f"{node.name}.{method.name}"
                    for method in node.body
                    if isinstance(method, ast.FunctionDef)
                    and not method.name.startswith("_")
                    and ast.get_docstring(method) is None
                    and method.name not in known
                )


def test_nothing_public_is_silent() -> None:
    modules = parsed()
    parents: dict[str, list[str]] = {}
    own: Documented = {}
    for node in classes(modules):
        parents.setdefault(node.name, []).extend(bases(node))
        methods = [method for method in node.body if isinstance(method, ast.FunctionDef)]
        own.setdefault(node.name, set()).update(m.name for m in methods if ast.get_docstring(m) is not None)
    found = [
        f"{file}: {name}"
        for file, tree in modules.items()
        if not file.startswith(HASHED)
        for name in silent(tree, parents, own)
    ]
    assert not found, "\n".join(found)
