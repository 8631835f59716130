"""Sections are found, in their order; one more is one more file, and what it shows is drawn nowhere else."""

import sys
import textwrap
from pathlib import Path

import pytest

import grokinterp as gi
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.reports import sections
from grokinterp.reports.subject import Subject

MINE = textwrap.dedent('''
    """How many steps there are."""

    from grokinterp.reports.section import Fact, Finding


    class Steps(Finding):
        """A fact, where the trace has what it is read off."""

        order = 415
        title = "The steps"
        variables = ("my_steps",)
        requires = ("my_steps",)

        def fill(self, section, subject, trace):
            section.facts.append(Fact("steps", str(int(trace.my_steps[-1]))))
''')


class Steps(Circuit):
    """The step of every checkpoint."""

    name = "my_steps"

    def read(self, snapshot, requested=frozenset()):
        return readout({"my_steps": Variable((), float(snapshot.step), "steps", "ours")})


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A file beside those of the package."""
    (tmp_path / "steps_of_mine.py").write_text(MINE)
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    yield
    sys.modules.pop("grokinterp.reports.sections.steps_of_mine", None)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> gi.Run:
    out = tmp_path_factory.mktemp("sections") / "run"
    return gi.train(
        "a + b", p=7, d_model=8, n_heads=2, frac=0.5, steps=20, checkpoint_every=20, progress=False, out=out, threads=1
    )


def test_a_section_is_one_file(added, run):
    """It stands where its order says, with what it shows, and its variable is not drawn a second time."""
    made = sections.sections_of(Subject(run, [Steps()]))
    titles = [section.title for section in made]
    assert titles.index("The neurons") + 1 == titles.index("The steps") == titles.index("The attention") - 1
    assert made[titles.index("The steps")].facts[0].value == "20"
    assert "Further measures" not in titles


def test_a_section_appears_where_its_variables_are(added, run):
    """Not on the page of a trace that lacks what it requires."""
    assert "The steps" not in [section.title for section in sections.sections_of(Subject(run))]


def test_without_its_section_a_variable_is_drawn_from_its_dims(run):
    """What no section lists is shown all the same."""
    made = {section.title: section for section in sections.sections_of(Subject(run, [Steps()]))}
    assert [plate.name for plate in made["Further measures"].plates] == ["own-my_steps"]


def test_no_two_sections_claim_a_variable_or_a_place():
    """Each variable has one home, and the order is never a matter of file names."""
    found = sections.registered()
    names = [name for section in found for name in section.variables]
    assert len(names) == len(set(names)) and len({section.order for section in found}) == len(found)
    assert [section.order for section in found] == sorted(section.order for section in found)
