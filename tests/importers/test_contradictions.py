"""What is stated of a file beside what the file holds; and what is told of weights that no reading explains."""

import json

import pytest
import torch

import grokinterp as gi
from grokinterp.cli.measure_command import run as measure
from grokinterp.config import TransformerConfig
from grokinterp.explorer.page.layout import page
from grokinterp.explorer.page.snippet import snippet
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import State
from grokinterp.importers import describe, opening_words
from grokinterp.models.initialisation import initialise
from grokinterp.reports import verdict
from grokinterp.reports.sections.frequencies import Frequencies
from grokinterp.reports.sections.logits import Logits
from grokinterp.reports.sections.verdict import facts
from grokinterp.reports.subject import Subject

TASK = {"task": "a + b", "p": 5, "layout": "a b ="}


def weights(scale: float = 1.0, **fields) -> dict[str, torch.Tensor]:
    config = TransformerConfig(**{"d_model": 8, "n_heads": 2, "d_vocab": 6, "d_vocab_out": 6, "n_ctx": 3, **fields})
    return {name: scale * value for name, value in initialise(config, 0).items()}


@pytest.fixture
def file(tmp_path):
    def save(content) -> str:
        torch.save(content, tmp_path / "x.pt")
        return str(tmp_path / "x.pt")

    return save


def evidence(run: gi.Run, what: str) -> str:
    (one,) = [each for each in run.assumptions if each.what == what]
    assert one.how == "stated"
    return one.evidence


@pytest.mark.parametrize(
    ("fields", "stated", "remark"),
    [
        ({}, {"position_embedding": "none"}, "its table of positions, pos_embed.W_pos [3, 8], is left out"),
        ({}, {"normalization": "pre"}, "the file has no weights for these norms: w = 1, b = 0"),
        ({"normalization": "pre"}, {"normalization": "post"}, ""),
        ({}, {"activation": "relu"}, ""),
    ],
)
def test_what_a_statement_leaves_out_or_adds_is_its_evidence(file, fields, stated, remark):
    """It is followed, and never in silence."""
    ((name, value),) = stated.items()
    assert evidence(gi.load(file(weights(**fields)), **TASK, **stated), f"{name}={value}") == remark


@pytest.mark.parametrize(
    ("setting", "remark"), [({"p": 13}, "the file says p=13"), ({"prime": 5}, None), ({"p": 0.1}, None)]
)
def test_another_modulus_of_the_file_is_told(file, setting, remark):
    """A rate of dropout called p is none."""
    run = gi.load(file({"state_dict": weights(), "config": {"n_heads": 2, **setting}}), **TASK)
    assert [each.evidence for each in run.assumptions if each.what == "p=5"] == ([remark] if remark else [])


def test_a_setting_of_the_file_that_is_overridden_is_told(file):
    """Stated goes before all else; the file's own words stand beside it."""
    content = {"model": weights(), "config": {"act_fn": "gelu", "n_heads": 2, "d_head": 4}}
    run = gi.load(file(content), **TASK, activation="relu")
    assert run.final.config.activation == "relu"
    assert evidence(run, "activation=relu") == "the file says act_fn='gelu'"


@pytest.mark.parametrize(
    ("fields", "stated", "why"),
    [
        ({"normalization": "pre"}, {"normalization": "none"}, "no reading with normalization='none'"),
        ({"attn_only": True}, {"activation": "gelu"}, "no MLP to have an activation"),
        ({}, {"norm_kind": "rms", "normalization": "none"}, "norm_kind='rms'"),
        ({}, {"n_heads": 4}, "n_heads=2, so n_heads=4 is refused"),
        ({}, {"combine": "add"}, "is a transformer, which has no combine"),
    ],
)
def test_a_statement_that_the_weights_contradict_is_refused_by_its_name(file, fields, stated, why):
    with pytest.raises(gi.BadRequest, match=why):
        gi.load(file(weights(**fields)), **TASK, **stated)


def test_gates_are_refused_whatever_is_stated(file):
    """A gated MLP under `activation=`, in classic names too."""
    gated = weights() | {"blocks.0.mlp.W_gate": torch.ones(8, 32)}
    with pytest.raises(gi.BadRequest, match=r"gated MLP \(SwiGLU\)"):
        gi.load(file(gated), **TASK, activation="silu")


def test_an_embedding_mlp_has_no_heads_to_state(file):
    module = {"embed.weight": torch.randn(5, 4), "fc1.weight": torch.randn(8, 8), "fc2.weight": torch.randn(5, 8)}
    with pytest.raises(gi.BadRequest, match="which has no n_heads"):
        gi.load(file(module), task="a + b", p=5, layout="a b", n_heads=2)


@pytest.fixture
def unexplained(file):
    """Weights that are sure of wrong answers under every reading."""
    return file(weights(scale=6.0))


def test_no_measure_of_unexplained_weights_is_told_without_that_word(unexplained, capsys):
    """`measure`, its JSON, the trace, the verdict and every section of the page."""
    options = [unexplained, "--task", "a + b", "--p", "5", "--layout", "a b =", "--no-cache"]
    measure([*options, "--circuits", "spectrum", "loss"])
    lines = capsys.readouterr().out.splitlines()
    assert "not explained" in next(line for line in lines if line.startswith("outcome"))
    assert all("not explained" in line for line in lines if line.startswith(("gini", "ffd", "test_loss")))
    measure([*options, "--circuits", "spectrum", "--json"])
    assert json.loads(capsys.readouterr().out)["outcome"] == "not explained"
    subject = Subject(gi.load(unexplained, **TASK), cache=False)
    (measured,) = [line for line in describe(subject.run).splitlines() if line.startswith("measured at step")]
    assert measured.endswith("(not explained)")
    assert verdict.headline(subject).startswith("Not explained: as it was read it answers")
    (paragraph,) = verdict.verdict(subject)
    assert "Nothing is claimed" in paragraph and not facts(subject)
    drawn = [section.make(subject) for section in (Frequencies(), Logits())]
    assert all(section.plates and "Not explained" in section.notes[0] for section in drawn)


def test_the_explorer_shows_how_a_file_was_read_and_loads_it_so_again(unexplained):
    """The page lists every assumption; the script states what was stated."""
    run = gi.load(unexplained, **TASK, activation="gelu")
    session = Session.of(run)
    text = str(page(session.runs).to_plotly_json())
    assert all(str(assumption) in text for assumption in run.assumptions) and "Not explained" in text
    script = snippet(session, session.resolved(State()))
    opened = f"gi.load({unexplained!r}, task='a + b', p=5, layout='a b =', activation='gelu')"
    assert f"run = {opened}" in script and eval(opened, {"gi": gi}).final.config.activation == "gelu"
    assert opening_words(run) == f"{unexplained} --task 'a + b' --p 5 --layout 'a b =' --activation gelu"
