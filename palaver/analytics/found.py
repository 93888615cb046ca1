"""Where algorithms come from: the built-in ones, entry points, and files in folders.

This imports plugins, so it is for child processes. A plugin that cannot be imported is one entry of the list with its
error; it hides no other.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palaver.analytics.plugin import Analyzer, BadAnalyzer, is_algorithm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import ModuleType

GROUP: Final = "palaver.analytics"
"""The group of entry points: each names a class, or a module with classes."""
_BUILT_IN: Final = (
    "palaver.analytics.algorithms.pictures",
    "palaver.analytics.algorithms.sounds",
    "palaver.analytics.algorithms.faces",
    "palaver.analytics.algorithms.people",
    "palaver.analytics.algorithms.codes",
    "palaver.analytics.algorithms.voice",
)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One that can be used: its class, and where it comes from."""

    kind: type[Analyzer]
    origin: str

    @property
    def doc(self) -> str:
        """Its first sentence."""
        return inspect.cleandoc(self.kind.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that cannot be used."""

    origin: str
    error: str


class UnknownAlgorithm(Exception):
    """There is none of that name."""


def search(paths: Sequence[str] = ()) -> tuple[dict[str, Algorithm], list[Broken]]:
    """All algorithms by name, and the plugins that cannot be used. Of two of one name the first is taken:
    those of ``paths``, then entry points, then the built-in ones.
    """
    found: dict[str, Algorithm] = {}
    broken: list[Broken] = []
    for origin, load in _sources(paths):
        try:
            for kind in load():
                kind.shape()
                found.setdefault(kind.name, Algorithm(kind, origin))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            broken.append(Broken(origin, _said(error)))
    return found, broken


def find(name: str, paths: Sequence[str] = ()) -> Algorithm:
    """The algorithm ``name``. Raises UnknownAlgorithm, with why if a plugin could not be used."""
    found, broken = search(paths)
    if name in found:
        return found[name]
    why = "".join(f"\n{one.origin}: {one.error}" for one in broken)
    raise UnknownAlgorithm(f"there is no algorithm {name!r}{why}")


def _said(error: BaseException) -> str:
    if isinstance(error, BadAnalyzer):
        return str(error)
    return "".join(traceback.format_exception(error)).strip()


def _sources(paths: Sequence[str]) -> Iterator[tuple[str, Callable[[], Iterable[type[Analyzer]]]]]:
    for path in paths:
        for file in _files(Path(path)):
            yield str(file), partial(_of_file, file)
    for entry in metadata.entry_points(group=GROUP):
        yield f"{entry.name} ({entry.value})", partial(_of_entry, entry)
    for module in _BUILT_IN:
        yield "built in", partial(_of_module, module)


def _files(path: Path) -> list[Path]:
    """The plugins of a folder: files, and packages as their ``__init__.py``; a file stands for itself."""
    if path.is_file():
        return [path]
    try:
        inside = sorted(path.iterdir())
    except OSError:
        return []
    single = [one for one in inside if one.suffix == ".py" and not one.name.startswith(("_", "test_"))]
    return single + [one / "__init__.py" for one in inside if (one / "__init__.py").is_file()]


def _module(file: Path) -> ModuleType:
    package = file.name == "__init__.py"
    name = f"palaver_plugin_{file.parent.name if package else file.stem}".replace("-", "_")
    folders = [str(file.parent)] if package else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders)
    if spec is None or spec.loader is None:
        raise BadAnalyzer("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _of_file(file: Path) -> Iterable[type[Analyzer]]:
    return _classes(_module(file))


def _of_module(name: str) -> Iterable[type[Analyzer]]:
    return _classes(importlib.import_module(name))


def _of_entry(entry: metadata.EntryPoint) -> Iterable[type[Analyzer]]:
    loaded = entry.load()
    if inspect.ismodule(loaded):
        return _classes(loaded)
    if not is_algorithm(loaded):
        raise BadAnalyzer(f"{loaded!r} is neither a module nor a class with 'video' or 'audio'")
    return [loaded]


def _classes(module: ModuleType) -> list[type[Analyzer]]:
    """The algorithms that a module itself, or a part of it, defines; those it imports are others'."""
    return [
        one
        for one in vars(module).values()
        if is_algorithm(one) and f"{one.__module__}.".startswith(f"{module.__name__}.")
    ]
