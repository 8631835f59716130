"""The local learning coefficient, on losses whose coefficient is derived."""

import math
import sys

import pytest
import torch

from grokinterp import circuits
from grokinterp.circuits import local_learning_coefficient as module
from grokinterp.circuits.local_learning_coefficient import (
    AGREE,
    SHARE,
    LocalLearningCoefficient,
    largest_curvature,
    r_hat,
    sample_losses,
)
from grokinterp.evaluation.flat_loss import FlatLoss
from grokinterp.evaluation.snapshot import Snapshot


def test_the_largest_curvature_of_a_quadratic_is_its_largest_eigenvalue():
    A = torch.diag(torch.tensor([9.0, 2, 1, 0.5], dtype=torch.float64))
    x0 = torch.randn(4, dtype=torch.float64)
    assert largest_curvature(lambda x: 0.5 * x @ A @ x, x0) == pytest.approx(9, rel=1e-6)
    assert largest_curvature(lambda x: 0 * x.sum(), x0) == 0


def test_r_hat_is_one_of_chains_of_one_kind_and_large_of_others():
    same = torch.randn(4, 400, generator=torch.Generator().manual_seed(0))
    assert r_hat(same) == pytest.approx(1, abs=0.02)
    apart = same + torch.tensor([0.0, 0, 3, 3])[:, None]
    # Between-chain variance 9 / 3 beside the variance of one chain, 1: the root of about 1 + 9 * 2 / 7.
    assert r_hat(apart) == pytest.approx(math.sqrt(1 + 18 / 7), rel=0.05)
    drifting = same + torch.linspace(0, 5, 400)
    assert r_hat(drifting) > AGREE
    assert r_hat(torch.zeros(4, 100)) == 1 and math.isnan(r_hat(same[:, :3]))


def test_a_quadratic_has_half_its_dimensions():
    """E[n beta L] = sum of n beta a / (2 (n beta a + localisation)): half of the stiff directions, none of the flat."""
    pytest.importorskip("devinterp")
    curvatures = torch.cat([torch.full((20,), 4.0), torch.zeros(30)]).double()
    n_beta, localisation = 50.0, 5.0
    rate = SHARE / (n_beta * 4 + localisation)
    chains = torch.stack(
        [
            sample_losses(
                lambda x, _: 0.5 * (curvatures * x * x).sum(), torch.zeros(50, dtype=torch.float64), rate=rate,
                n_beta=n_beta, localisation=localisation, burn_in=50, draws=400, seed=seed,
            )
            for seed in range(3)
        ]
    )  # fmt: skip
    stiff = n_beta * 4 / (n_beta * 4 + localisation)
    expected = 20 / 2 * stiff / (1 - SHARE / 4)  # the last: what the step size adds
    assert n_beta * chains.mean().item() == pytest.approx(expected, rel=0.1)
    assert r_hat(chains) < AGREE


def test_it_waits_to_be_asked_for_and_says_what_it_lacks(small, monkeypatch):
    assert circuits.registered()["local_learning_coefficient"].only_on_request
    snapshot = Snapshot(0, small.config.model, small.task, small.weights(0))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "grokinterp[llc]" in (LocalLearningCoefficient().why_not(snapshot) or "")
    assert "devinterp.slt" not in sys.modules  # with all that it imports


def test_it_is_of_the_training_loss_around_the_checkpoint(small):
    """A chain that cannot move has coefficient 0; one that can has chains, an error and a calibrated step beside it."""
    pytest.importorskip("devinterp")
    snapshot = Snapshot(0, small.config.model, small.task, small.weights(0))
    few = {"chains": 2, "burn_in": 2, "draws": 8}
    still = LocalLearningCoefficient(**few, rate=1e-30).read(snapshot)
    assert still.llc.item() == pytest.approx(0, abs=1e-6) and still.llc_trace.dims == ("chain", "draw")
    read = LocalLearningCoefficient(**few).read(snapshot)
    n = int(small.task.is_train.sum())
    assert read.llc_rate.item() == pytest.approx(SHARE / (n / math.log(n) * read.llc_curvature.item() + 5))
    assert math.isfinite(read.llc.item()) and read.llc_standard_error.item() > 0
    again = LocalLearningCoefficient(**few).read(snapshot)
    assert again.llc_trace.equals(read.llc_trace)


def test_the_estimate_and_its_error_are_those_of_its_chains(small):
    """lambda = n beta (mean loss - loss at the checkpoint) by chain; the error over chains divides by one less."""
    pytest.importorskip("devinterp")
    snapshot = Snapshot(0, small.config.model, small.task, small.weights(0))
    read = LocalLearningCoefficient(chains=3, burn_in=1, draws=6, n_beta=4.0, localisation=2.0).read(snapshot)
    train = small.task.is_train
    start = torch.nn.functional.cross_entropy(snapshot.logits[train].double(), small.task.labels[train]).item()
    by_chain = 4.0 * (torch.tensor(read.llc_trace.values).double().mean(1) - start)
    assert read.llc.item() == pytest.approx(by_chain.mean().item(), rel=1e-3, abs=1e-5)
    assert read.llc_standard_error.item() == pytest.approx(by_chain.std().item() / 3**0.5, rel=1e-3)
    assert read.llc_rate.item() == pytest.approx(0.5 / (4.0 * read.llc_curvature.item() + 2.0))
    assert read.llc_r_hat.item() == pytest.approx(r_hat(torch.tensor(read.llc_trace.values)), rel=1e-4)
    assert len({tuple(chain) for chain in read.llc_trace.values.tolist()}) == 3


def test_r_hat_by_hand():
    """Halves (0, 2), (4, 6): within 2, between 2 * 8 = 16, the root of (2 / 2 + 16 / 2) / 2."""
    assert r_hat(torch.tensor([[0.0, 2, 9, 4, 6]])) == pytest.approx(4.5**0.5)
    assert r_hat(torch.tensor([[1.0, 1, 1, 1], [2, 2, 2, 2]])) == math.inf
    assert r_hat(torch.tensor([[0.0, 1, 0, 1]])) == pytest.approx(0.5**0.5)


@pytest.mark.parametrize("rows", [3, 512])
def test_a_chain_draws_so_many_training_rows_a_step(small, monkeypatch, rows):
    """Other ones each time; all of them, in their own order, where there are no more."""
    snapshot, drawn, source = Snapshot(0, small.config.model, small.task, small.weights(0)), [], torch.Generator()
    monkeypatch.setattr(FlatLoss, "__call__", lambda self, x, rows: drawn.append(rows.tolist()) or (x**2).sum())
    sampled = lambda loss, x0, **settings: torch.stack([loss(x0, source).detach() for _ in range(4)])
    monkeypatch.setattr(module, "sample_losses", sampled)
    LocalLearningCoefficient(chains=2, rows=rows).read(snapshot)
    train, last = small.task.is_train.nonzero().flatten().tolist(), drawn[-4:]
    if rows > len(train):
        assert last == [train] * 4
    else:
        assert all(len({*each}) == rows and {*each} < {*train} for each in last) and last[0] != last[1]
