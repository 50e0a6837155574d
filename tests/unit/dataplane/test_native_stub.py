"""The typed stub and the library say the same."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import meeting.dataplane
from meeting.dataplane import _native

STUB = ast.parse(Path(meeting.dataplane.__file__).with_name("_native.pyi").read_text())


def classes() -> dict[str, dict[str, list[str]]]:
    """Methods of each class of the stub, with the names of their parameters."""
    found = {}
    for node in STUB.body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = {
                method.name: [argument.arg for argument in method.args.args + method.args.kwonlyargs]
                for method in node.body
                if isinstance(method, ast.FunctionDef)
            }
    return found


def test_the_library_has_what_the_stub_promises_and_nothing_else() -> None:
    constants = {
        node.target.id for node in STUB.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    public = {name for name in dir(_native) if not name.startswith("_")}
    assert public == set(classes()) | constants
    for name, methods in classes().items():
        real = {method for method in vars(getattr(_native, name)) if not method.startswith("_")}
        assert real == {method for method in methods if not method.startswith("_")}, name


def test_parameters_have_the_same_names_in_the_same_order() -> None:
    for name, methods in classes().items():
        for method, parameters in methods.items():
            if method == "__init__":
                signature = inspect.signature(getattr(_native, name))
                assert ["self", *signature.parameters] == parameters, name
            else:
                signature = inspect.signature(getattr(getattr(_native, name), method))
                assert list(signature.parameters) == parameters, f"{name}.{method}"
