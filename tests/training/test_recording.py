"""Recording: a loop of one's own leaves a whole run, whatever ends it, and goes on with it where it was."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import grokinterp as gi
from grokinterp.errors import BadRequest
from grokinterp.runs.lock import HeldError, holder

TASK = gi.Task("a + b", p=5, layout="a b").split(0.6)


class Sines(nn.Module):
    """A module that no model of ours is."""

    def __init__(self, width=8):
        super().__init__()
        self.table, self.out = nn.Embedding(5, width), nn.Linear(width, 5)

    def forward(self, rows):
        return self.out(self.table(rows).sum(1).sin())


class Ended(Exception):
    """What ends a loop in the middle."""


def module(width=8):
    torch.manual_seed(1)
    return Sines(width)


def loop(path, model, steps=12, ends_at=None, **options):
    """Plain gradient descent with a checkpoint and two metrics every fourth step; the step that it began at."""
    with gi.record(path, TASK, model, parameters={"table.weight": "embed.W_E"}, **options) as record:
        for step in range(record.step, steps + 1):
            loss = F.cross_entropy(model(TASK.inputs[TASK.is_train]), TASK.labels[TASK.is_train])
            if step % 4 == 0:
                record.log(step, train_loss=loss)
                record.checkpoint(step, model)
                record.log(step, {"norm": model.out.weight.norm().item()})
            if step == ends_at:
                raise Ended
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.5 * parameter.grad
        return record.step


def test_a_loop_writes_a_run(tmp_path):
    """Checkpoints hold the weights of their steps, a row all that was logged of a step; nobody holds it any more."""
    model = module()
    assert loop(tmp_path / "mine", model) == 0
    run = gi.load(tmp_path / "mine", module=Sines)
    assert run.steps == [0, 4, 8, 12] and run.metrics["step"].tolist() == [0, 4, 8, 12]
    assert run.metrics["norm"].notna().all() and run.metrics["train_loss"].is_monotonic_decreasing
    assert torch.equal(run[0].parameters["table.weight"], module().table.weight)
    assert torch.equal(run.task.is_train, TASK.is_train) and holder(tmp_path / "mine") is None
    trace = gi.measure(run, ["loss", "embedding", "neurons"], progress=False)
    assert trace["train_loss"].values == pytest.approx(run.metrics["train_loss"].values, rel=1e-6)
    assert list(json.loads(trace.attrs["skipped"])) == ["neurons"] and "embedding_norm" in trace
    # An embedding that stands in the file under two names counts once.
    assert float(trace["weight_norm_squared"][0]) == pytest.approx(
        sum(p.double().square().sum().item() for p in module().parameters())
    )


def test_a_loop_that_was_ended_goes_on_to_the_same_weights(tmp_path):
    """Ended anywhere, and resumed: weights, checkpoints and rows are those of a loop that was not, none twice."""
    whole = module()
    loop(tmp_path / "whole", whole)
    with pytest.raises(Ended):
        loop(tmp_path / "mine", module(), ends_at=10)
    with open(tmp_path / "mine" / "metrics.jsonl", "a") as file:
        file.write('{"step": 10, "train_lo')  # as a kill would leave it
    assert gi.load(tmp_path / "mine").steps == [0, 4, 8]
    for end in (9, None):
        model = module()
        if end:
            with pytest.raises(Ended):
                loop(tmp_path / "mine", model, ends_at=end, resume=True)
        else:
            assert loop(tmp_path / "mine", model, resume=True) == 8
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(model.parameters(), whole.parameters(), strict=True))
    runs = [gi.load(tmp_path / name) for name in ("mine", "whole")]
    assert runs[0].metrics.equals(runs[1].metrics) and runs[0].steps == runs[1].steps
    for mine, theirs in zip(*runs, strict=True):
        assert all(torch.equal(value, theirs.parameters[name]) for name, value in mine.parameters.items())


def test_a_cell_that_runs_twice_says_what_it_means(tmp_path):
    """The second time is refused with both words; each of them does what it says."""
    loop(tmp_path / "mine", module(), steps=4)
    with pytest.raises(BadRequest, match="overwrite=True to replace it, resume=True to go on"):
        loop(tmp_path / "mine", module())
    assert loop(tmp_path / "mine", module(), steps=8, resume=True) == 4
    assert loop(tmp_path / "mine", module(), steps=4, overwrite=True) == 0
    assert gi.load(tmp_path / "mine").steps == [0, 4]
    assert loop(tmp_path / "new", module(), steps=4, resume=True) == 0


def test_nobody_else_writes_meanwhile(tmp_path):
    """Two loops on one directory: the second is refused, and told who has it."""
    with gi.record(tmp_path / "mine", TASK, module()) as record:
        record.checkpoint(0)
        with pytest.raises(HeldError, match="record, since"), gi.record(tmp_path / "mine", TASK, module(), resume=True):
            pass
        assert record.run.steps == [0] and record.run.final.model()(TASK.inputs).shape == (25, 1, 5)


def test_without_its_class_a_module_is_not_made_up(tmp_path):
    """Reading what needs its answers names what is missing; what makes another module is refused at once."""
    loop(tmp_path / "mine", module(), steps=4)
    with pytest.raises(BadRequest, match=r"gi.load\(path, module=Sines\)"):
        gi.load(tmp_path / "mine").final.model()
    with pytest.raises(BadRequest, match=r"table.weight is \[5, 4\] and was \[5, 8\]"):
        gi.load(tmp_path / "mine", module=lambda: Sines(4))
    with pytest.raises(BadRequest, match=r"makes a dict and no nn\.Module"):
        gi.load(tmp_path / "mine", module=dict)
    trace = gi.measure(gi.load(tmp_path / "mine"), ["loss", "embedding"], progress=False)
    assert "gi.load(path, module=Sines)" in json.loads(trace.attrs["skipped"])["loss"]


def test_what_is_ours_needs_no_class(small, small_run):
    """A run of our own model is built from its configuration: a module beside it has no meaning."""
    with pytest.raises(BadRequest, match="leave module out"):
        gi.load(small_run, module=Sines)


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda record: record.log(-1, train_loss=1.0), "step=-1 must be a whole number"),
        (lambda record: record.log(1, train_loss="low"), "train_loss='low' must be one number"),
        (lambda record: record.log(1, losses=torch.zeros(2)), "must be one number"),
        (lambda record: record.log(1, {"step": 3}), "a name of its own"),
        (lambda record: record.checkpoint(1, nn.Linear(2, 2)), "not the one that is recorded .*weight has no place"),
        (lambda record: record.checkpoint(1, Sines(4)), r"table.weight is \[5, 4\] and should be \[5, 8\]"),
    ],
    ids=range(6),
)
def test_what_is_no_metric_and_no_checkpoint_is_refused(tmp_path, use, says):
    """One line says which, and what was written before stays."""
    with pytest.raises(BadRequest, match=says), gi.record(tmp_path / "mine", TASK, module()) as record:
        record.log(0, train_loss=1)
        use(record)
    assert gi.load(tmp_path / "mine").metrics["train_loss"].tolist() == [1.0]


def test_what_cannot_be_recorded_is_refused(tmp_path):
    """Before anything is written: a task without a split, both words at once, another run, and outside the block."""
    with pytest.raises(BadRequest, match="no split yet"):
        gi.record(tmp_path / "mine", gi.Task("a + b", p=5, layout="a b"), module())
    with pytest.raises(BadRequest, match=r"give one of them"):
        gi.record(tmp_path / "mine", TASK, module(), resume=True, overwrite=True)
    with pytest.raises(BadRequest, match="is not open"):
        gi.record(tmp_path / "mine", TASK, module()).log(0, train_loss=1)
    assert not any(tmp_path.iterdir())
    loop(tmp_path / "mine", module(), steps=4)
    with pytest.raises(BadRequest, match=r"is another run"):
        loop(tmp_path / "mine", Sines(4), resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(BadRequest, match="is no run, so it is left alone"):
        loop(tmp_path / "other", module(), overwrite=True)
