"""Packages are found, not listed; an editable install puts `src` on the path. All else stands in `pyproject.toml`."""

from pathlib import Path
from typing import Any

from setuptools import find_packages, setup
from setuptools.command.editable_wheel import editable_wheel


class EditableWheel(editable_wheel):
    """An editable install whose package is found from every directory."""

    def _select_strategy(self, name: str, tag: str, build_lib: Any) -> Any:
        return SourceOnPath(super()._select_strategy(name, tag, build_lib), name)


class SourceOnPath:
    """Adds `src` to the path, beside the finder that setuptools writes because `circuits/` lies outside `src`.

    Python asks finders after it has looked through the path, where any folder named `grokinterp`, such as a clone seen
    from the directory it lies in, passes for a namespace package. A package on the path goes before a namespace.
    """

    def __init__(self, strategy: Any, name: str) -> None:
        self.strategy, self.name = strategy, name

    def __enter__(self) -> "SourceOnPath":
        self.strategy.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self.strategy.__exit__(*raised)

    def __call__(self, wheel: Any, files: list[str], mapping: dict[str, str]) -> None:
        self.strategy(wheel, files, mapping)
        wheel.writestr(f"__editable__.{self.name}.src.pth", f"{Path(__file__).resolve().parent / 'src'}\n")


setup(packages=[*find_packages("src"), "grokinterp.circuits"], cmdclass={"editable_wheel": EditableWheel})
