"""What `help` and editors say of gi.train's fields: all of them, as the configuration has them."""

import ast
import dataclasses
import inspect

import grokinterp as gi
from grokinterp.config import SECTIONS
from grokinterp.config.presets import PRESETS
from grokinterp.tasks import Task, parameter_names
from grokinterp.training import fields, trainer


def test_the_stub_is_what_is_generated():
    """A field that is added stands in it after `make stub`."""
    assert fields.STUB.read_text("utf-8") == fields.stub(), "run `make stub`"


def test_every_field_has_a_type_a_default_and_a_line():
    """Of every preset's configuration and of every task's parameters, in the docstring and in the stub."""
    known = {field.name: field for each in fields.sections().values() for field in each}
    assert all(field.kind and field.default and field.line for field in known.values())
    lines = inspect.getdoc(gi.train).splitlines()
    for name, field in known.items():
        assert any(line.startswith(f"    {name}: {field.kind} = {field.default}  # ") for line in lines), name
    stub = {argument.arg for argument in arguments()}
    for config in PRESETS.values():
        wanted = {field.name for name in SECTIONS for field in dataclasses.fields(getattr(config, name))}
        assert wanted <= known.keys() and wanted <= stub, config.preset
    for name in Task.registry:
        assert set(parameter_names(name)) <= known.keys() & stub, name


def test_the_defaults_are_those_of_the_preset():
    """What `help` says is trained where nothing is given."""
    known = {field.name: field.default for each in fields.sections().values() for field in each}
    base = PRESETS["nanda"]
    for name in SECTIONS:
        for field in dataclasses.fields(getattr(base, name)):
            assert known[field.name] == repr(getattr(getattr(base, name), field.name)), field.name
    assert known["p"] == "113" and known["layout"] == "'a b ='"


def test_the_stub_begins_as_the_function_does():
    """The arguments that are no fields, in their order; then any others, of tasks and models of one's own."""
    own = [name for name in inspect.signature(trainer.train).parameters if name != "fields"]
    assert [argument.arg for argument in arguments()][: len(own)] == own


def arguments() -> list[ast.arg]:
    """Those of `train` in the stub."""
    tree = ast.parse(fields.STUB.read_text("utf-8"))
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert function.args.kwarg is not None
    return [*function.args.args, *function.args.kwonlyargs]
