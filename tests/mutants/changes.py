"""Change: one small change to the maths, as cosmic-ray makes it; and where such changes can be made."""

import ast
import itertools
import random
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import CodeType

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[2]
MATHS = {
    "fourier": ("src/grokinterp/fourier.py",),
    "irreps": ("src/grokinterp/irreps/*.py",),
    "tasks": ("src/grokinterp/tasks/*.py",),
    "models": ("src/grokinterp/models/*.py",),
    "evaluation": ("src/grokinterp/evaluation/*.py",),
    "analysis": ("src/grokinterp/analysis/*.py",),
    "interventions": ("src/grokinterp/interventions/*.py",),
    "training": ("src/grokinterp/training/*.py",),
    "judging": ("src/grokinterp/importers/judging/*.py", "src/grokinterp/importers/reading/candidates.py"),
    "circuits": ("circuits/*.py",),
}
"""The files of each part."""

NO_MATHS = ("__init__", "_naming", "_parameters", "_building", "bridge", "processes", "processor", "hooked", "timing")
NO_MATHS += ("fields", "loggers", "listeners", "trainer")
"""Files in them that only name, build or start things."""

OTHER_OPERATORS = ("RemoveDecorator", "ExceptionReplacer", "VariableReplacer", "VariableInserter")
"""Of cosmic-ray's: those that change no number, and those that ask which variables to replace."""


@dataclass(frozen=True)
class Change:
    """`occurrence` counts the places in the file where the operator applies; `line` is the first of this place."""

    file: str
    operator: str
    occurrence: int
    line: int

    @property
    def path(self) -> Path:
        return ROOT / self.file

    @property
    def source(self) -> str:
        """The file with the change."""
        changed = mutate_code(self.path.read_text("utf-8"), get_operator(self.operator)(), self.occurrence)
        assert changed is not None
        return changed

    def compiled(self) -> CodeType:
        """The module with the change. What Python warns of, as of `is not` beside a text, is a change all the same."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(self.source, str(self.path), "exec")

    @property
    def function(self) -> str | None:
        """The outermost function that the change lies in, as `Class.name`; None where that is no function."""
        return function_at(self.file, self.line)

    def __str__(self) -> str:
        before, after = self.path.read_text("utf-8").splitlines(), self.source.splitlines()
        lines = [(old.strip(), new.strip()) for old, new in zip(before, after, strict=False) if old != new]
        old, new = lines[0] if lines else ("", "")
        return f"{self.file}:{self.line}: {old}  ->  {new}"

    as_dict = asdict


def sample(parts: list[str], count: int, seed: int) -> list[Change]:
    """So many changes at different places of these parts, every place as likely as another."""
    places: dict[tuple[str, tuple[int, int]], list[Change]] = {}
    for part in parts:
        for path in maths_files(part):
            for position, change in _changes(path.relative_to(ROOT).as_posix()):
                places.setdefault((change.file, position), []).append(change)
    draw = random.Random(seed)
    chosen = draw.sample(sorted(places), len(places))
    changes = (next(filter(_is_code, draw.sample(places[place], len(places[place]))), None) for place in chosen)
    return list(itertools.islice(filter(None, changes), count))


def maths_files(*parts: str) -> list[Path]:
    """The files of these parts, or of all."""
    files = {path for part in parts or MATHS for pattern in MATHS[part] for path in ROOT.glob(pattern)}
    return sorted(path for path in files if path.stem not in NO_MATHS)


def part_of(change: Change) -> str:
    """The part of the maths that a change lies in."""
    return next(part for part, patterns in MATHS.items() if any(Path(change.file).match(each) for each in patterns))


def _is_code(change: Change) -> bool:
    """Whether what the change makes can be compiled: of `f(**options)` cosmic-ray makes `f(+options)`, and worse."""
    try:
        change.compiled()
    except SyntaxError:
        return False
    return True


def _changes(file: str) -> Iterator[tuple[tuple[int, int], Change]]:
    """Every change that cosmic-ray can make to the maths of a file, and where it begins."""
    source = (ROOT / file).read_text("utf-8")
    words = _words(source)
    nodes = list(ast_nodes(get_ast(source)))
    for name in operator_names():
        if name.rpartition("/")[2] in OTHER_OPERATORS:
            continue
        operator = get_operator(name)()
        positions = (position for node in nodes for position in operator.mutation_positions(node))
        for occurrence, (start, _) in enumerate(positions):
            if not any(first <= start < last for first, last in words):
                yield start, Change(file, name, occurrence, start[0])


def _words(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """From where to where a file says something instead of computing: annotations, decorators, texts, refusals."""
    spans: list[ast.expr | ast.stmt] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr | ast.Raise):
            spans.append(node)
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            spans.append(node.annotation)
        elif isinstance(node, ast.FunctionDef):
            spans += [*node.decorator_list, *([node.returns] if node.returns else [])]
        elif isinstance(node, ast.ClassDef):
            spans += node.decorator_list
    return [((each.lineno, each.col_offset), (each.end_lineno or 0, each.end_col_offset or 0)) for each in spans]


def function_at(file: str, line: int) -> str | None:
    """The outermost function around a line of a file."""
    return next((name for name, first, last in _functions(file) if first <= line <= last), None)


@cache
def _functions(file: str) -> list[tuple[str, int, int]]:
    """By qualified name the first and last line of each function that lies in no other: its body, without defaults."""
    rows: list[tuple[str, int, int]] = []

    def walk(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                rows.append((prefix + node.name, node.body[0].lineno, node.end_lineno or node.lineno))
            elif isinstance(node, ast.ClassDef):
                walk(node.body, f"{prefix}{node.name}.")

    walk(ast.parse((ROOT / file).read_text("utf-8")).body, "")
    return rows
