"""Files of He et al. 2026, written as their code does: activation, split and task are those that made the losses."""

import math

import pytest
import torch

import grokinterp as gi


def trained(out, activation="relu", combine="add", frac=0.75):
    """A small run of their recipe that knows its rows by heart, so that losses tell which rows these are."""
    run = gi.train(
        "a + b", preset="he-grokking", p=11, d_mlp=64, activation=activation, combine=combine, frac=frac, seed=3,
        lr=1e-2, weight_decay=0.0, steps=120, checkpoint_every=0, metrics_every=120, progress=False, out=out,
    )  # fmt: skip
    last = run.metrics.iloc[-1]
    test = last.train_loss if frac == 1 else last.test_loss
    return run, run.final.parameters, float(last.train_loss), float(test)


def theirs(weights, train, test, epoch=400, **more):
    """The dictionary that their code saves."""
    state = {
        "mlp.W_in": weights["blocks.0.mlp.W_in"].T,
        "mlp.W_out": weights["unembed.W_U"].T,
        "mlp.basis": torch.eye(weights["unembed.W_U"].shape[1]),
    }
    return {"model": state, "train_loss": train, "test_loss": test, "epoch": epoch, **more}


@pytest.mark.parametrize(
    ("activation", "combine"), [("relu", "add"), ("gelu", "add"), ("square", "add"), ("relu", "concatenate")]
)
def test_activation_and_split_are_those_of_the_recorded_losses(activation, combine, tmp_path):
    """Weights come back as they were, and nothing had to be assumed."""
    own, weights, train, test = trained(tmp_path / "own", activation, combine)
    torch.save(theirs(weights, train, test), tmp_path / "400.pth")
    run = gi.load(tmp_path / "400.pth")
    assert run.final.config.activation == activation and run.final.config.combine == combine
    assert torch.equal(run.task.is_train, own.task.is_train) and run.config.seed == 3 and run.steps == [400]
    for name, value in run.final.parameters.items():
        assert torch.equal(value, weights[name]), name
    scores = gi.evaluate(run.final.model(), run.task)
    assert [scores["train_loss"], scores["test_loss"]] == pytest.approx([train, test], rel=1e-4)
    assert {each.how for each in run.assumptions} == {"from the file", "inferred"}


def test_all_rows_are_one_split_and_curves_are_read(tmp_path):
    """Equal losses are those of all rows; the lists of the final file are its metrics."""
    _, weights, train, test = trained(tmp_path / "own", frac=1.0)
    lists = {"train_losses": [3.0, 2.0, train], "test_losses": [3.0, 2.0, train]}
    torch.save(theirs(weights, train, test, epoch=3, **lists), tmp_path / "final.pth")
    run = gi.load(tmp_path / "final.pth")
    assert run.task.is_train.all() and run.metrics.train_loss.tolist() == [3.0, 2.0, train] and run.steps == [3]
    assert not run.is_seed_known


def test_what_no_recorded_loss_tells_is_judged_or_stated(tmp_path):
    """Weights alone, by formula: the square is as sure of each row as any; no split is known."""
    weights = gi.build("quadratic", 11, [1, 2, 3], 5).final.parameters
    train = test = math.nan
    torch.save(theirs(weights, train, test)["model"], tmp_path / "bare.pth")
    run = gi.load(tmp_path / "bare.pth")
    assert run.final.config.activation == "square" and run.task.is_train is None
    assert [each.how for each in run.assumptions if each.what == "activation=square"] == ["tied"]
    stated = gi.load(tmp_path / "bare.pth", activation="abs")
    assert stated.final.config.activation == "abs"
    assert [each.how for each in stated.assumptions if each.what == "activation=abs"] == ["stated"]
    with pytest.raises(gi.BadRequest, match="which has no n_heads"):
        gi.load(tmp_path / "bare.pth", n_heads=2)


def test_two_linear_layers_are_such_a_model_whatever_they_are_called(tmp_path):
    """`nn.Linear(2 p, N)` and `nn.Linear(N, p)` without biases, as in code after Gromov 2023."""
    run = gi.build("quadratic", 11, [1, 2, 3], 5)
    W_in, W_U = run.final.parameters.values()
    beside = torch.cat([W_in, W_in]) if len(W_in) == 11 else W_in
    torch.save({"fc1.weight": beside.T.contiguous(), "fc2.weight": W_U.T.contiguous()}, tmp_path / "x.pt")
    read = gi.load(tmp_path / "x.pt", task="a + b", p=11, layout="a b")
    assert (read.final.config.kind, read.final.config.combine) == ("one_hot_mlp", "concatenate")
    logits = [each.final.model()(read.task.inputs) for each in (run, read)]
    torch.testing.assert_close(logits[0].flatten(0, -2)[:, :11], logits[1].flatten(0, -2)[:, :11])


def test_other_parts_are_refused_by_name(tmp_path):
    """A bias would be left out, and the model another one."""
    saved = theirs(gi.build("quadratic", 11, [1, 2, 3], 5).final.parameters, 0.1, 0.1)
    saved["model"]["mlp.b_in"] = torch.ones(25)
    torch.save(saved, tmp_path / "biased.pth")
    with pytest.raises(gi.BadRequest, match=r"one-hot MLP with mlp\.b_in beside its matrices"):
        gi.load(tmp_path / "biased.pth")
