"""Packages that load their parts on first use, such as those that need Keras or draw."""

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def attributes(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__`` (PEP 562) that imports a name from its module on first use.

    Args:
        package: The package's dotted name.
        homes: By name, the module that has it.
    """

    def attribute(name: str) -> Any:
        if name not in homes:
            raise _unknown(package, name)
        return getattr(import_module(homes[name]), name)

    return attribute


def modules(package: str, path: Iterable[str]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__`` (PEP 562) that imports any of the package's modules on first use.

    Args:
        package: The package's dotted name.
        path: The package's folders, its ``__path__``.
    """
    names = {module.name for module in pkgutil.iter_modules(path)}

    def attribute(name: str) -> Any:
        if name not in names:
            raise _unknown(package, name)
        return import_module(f"{package}.{name}")

    return attribute


def _unknown(package: str, name: str) -> AttributeError:
    return AttributeError(f"module {package!r} has no attribute {name!r}")
