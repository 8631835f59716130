"""Coset neurons planted by hand, what the causal tests must do, and the map of the output layer."""

import math

import pytest
import torch

import grokinterp as gi
from grokinterp.circuits import causal, cosets, output_layer
from grokinterp.config.presets import preset
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.irreps.cosets import subgroups
from grokinterp.models.initialisation import initialise
from grokinterp.reports.figures.output_map import output_map
from grokinterp.tasks.groups import GroupTask


def coset_model(planted, kinds: list[str], noise: int = 0) -> Snapshot:
    """Neurons of S_4 whose parts of x and y are random functions of the cosets of a subgroup of each kind."""
    task = gi.Task("sym", n=4, layout="a b").split(0.5)
    found = subgroups(task.group)
    generator = torch.Generator().manual_seed(0)
    draw = lambda labels: torch.randn(24, generator=generator)[labels]
    left, right = [], []
    for kind in kinds:
        subgroup = next(s for s in found.all if s.kind == kind)
        left.append(draw(subgroup.labels("right")))
        right.append(draw(subgroup.labels("left")))
    for _ in range(noise):
        left.append(draw(torch.arange(24)))
        right.append(draw(torch.arange(24)))
    W_U = torch.randn(len(left), 24, generator=generator)
    W_U[len(kinds) :] = 0
    return planted.embedding_mlp(task, torch.eye(24), torch.cat([torch.stack(left, 1), torch.stack(right, 1)]), W_U)


def test_planted_coset_neurons(planted):
    """Concentration 0 in both forms, of the planted kind; noise is above 1, and leaving it out changes nothing."""
    kinds = ["12", "8", "6", "4a", "3", "2a"]
    snapshot = coset_model(planted, kinds, noise=3)
    circuit = cosets.Cosets()
    assert circuit.why_not(snapshot) is None
    found = circuit.read(snapshot, frozenset(circuit.on_request))
    for side in ("left", "right"):
        assert found[f"coset_concentration_{side}"].values[:6] == pytest.approx([0] * 6, abs=1e-9)
        assert found[f"coset_within_{side}"].values[:6] == pytest.approx([0] * 6, abs=1e-9)
        assert found[f"coset_subgroup_{side}"].values[:6].tolist() == kinds
        assert (found[f"coset_concentration_{side}"].values[6:] > 0.9).all()
        assert found[f"coset_concentrations_{side}"].sizes == {"conjugate": 28, "neuron": 9}
    assert found.coset_neurons_by_kind.sel(subgroup=kinds).values.tolist() == [1] * 6
    full = snapshot.loss(snapshot.logits)
    assert found.coset_ablated_loss.sel(threshold=1e-6).item() == pytest.approx(full, rel=1e-5)
    assert found.coset_dropped.sel(threshold=1e-6).item() == 3


def test_neurons_above_a_threshold_are_left_out(planted):
    """Without three loud neurons of noise the logits are those of a model in which they are silent."""
    silent = coset_model(planted, ["12", "8", "6"], noise=3)
    W_U = silent.parameters["unembed.W_U"].clone()
    W_U[3:] = 5 * torch.randn(3, 24)
    loud = Snapshot(0, silent.config, silent.task, {**silent.parameters, "unembed.W_U": W_U})
    found = cosets.Cosets().read(loud).sel(threshold=1e-6)
    assert found.coset_ablated_loss.item() == pytest.approx(silent.loss(silent.logits), rel=1e-5)
    right = (silent.logits.argmax(1) == silent.labels).double().mean()
    assert found.coset_ablated_accuracy.item() == pytest.approx(right.item())


@pytest.mark.parametrize(("turned", "conjugate"), [(False, 1), (True, 0)])
def test_both_sides_have_conjugate_subgroups_or_not(planted, turned, conjugate):
    """Neurons of the same kind on both sides; the same with the parts of y of two kinds exchanged."""
    snapshot = coset_model(planted, ["8", "6"])
    W_in = snapshot.parameters["blocks.0.mlp.W_in"]
    W_in = torch.cat([W_in[:24], W_in[24:].flip(1)]) if turned else W_in
    changed = {**snapshot.parameters, "blocks.0.mlp.W_in": W_in}
    found = cosets.Cosets().read(Snapshot(0, snapshot.config, snapshot.task, changed))
    assert found.coset_neurons.item() == 1 and found.coset_conjugate.item() == conjugate


def test_left_and_right_are_told_apart(planted):
    """Functions of the other sides' cosets are not concentrated, but for normal subgroups."""
    snapshot = coset_model(planted, ["12", "6"])
    W_in = snapshot.parameters["blocks.0.mlp.W_in"]
    turned = dict(snapshot.parameters) | {"blocks.0.mlp.W_in": torch.cat([W_in[24:], W_in[:24]])}
    found = cosets.Cosets().read(Snapshot(0, snapshot.config, snapshot.task, turned))
    assert found.coset_concentration_left[0] < 1e-9 < 1e-2 < found.coset_concentration_left[1]
    assert found.coset_concentration_right[0] < 1e-9 < 1e-2 < found.coset_concentration_right[1]


def test_constant_neurons_are_no_coset_neurons(planted):
    """They have no concentration, and go where the first neurons go."""
    snapshot = coset_model(planted, ["6"])
    parameters = dict(snapshot.parameters) | {"blocks.0.mlp.W_in": torch.ones(48, 1)}
    found = cosets.Cosets().read(Snapshot(0, snapshot.config, snapshot.task, parameters))
    assert found.coset_concentration_left.isnull().all() and found.coset_neurons.item() == 0
    assert found.coset_dropped.values.tolist() == [1] * 7


def test_where_cosets_do_not_apply(planted):
    """Each with the reason: no group, a prime, too many subgroups, several layers."""
    circuit = cosets.Cosets()
    assert "is no task of a group" in (circuit.why_not(planted.untrained(5)) or "")
    prime = gi.Task("cyclic", n=5, layout="a b")
    model = preset("chughtai").model
    made = lambda task, model: Snapshot(0, m := model.resolved(task.n_vocab, task.n_answers, 2), task, initialise(m, 0))
    assert "no subgroups but" in (circuit.why_not(made(prime, model)) or "")
    sym = gi.Task("sym", n=4, layout="a b")
    assert "more than 5 subgroups" in (cosets.Cosets(most_subgroups=5).why_not(made(sym, model)) or "")
    deep = type(model)(hidden_sizes=(4, 4))
    assert "several layers" in (circuit.why_not(made(sym, deep)) or "")
    assert "2 hidden layers" in (causal.Causal().why_not(made(sym, deep)) or "")
    nanda = preset("nanda").model.resolved(24, 24, 2)
    assert "of a transformer" in (causal.Causal().why_not(Snapshot(0, nanda, sym, {})) or "")


def sign_model(planted, b: float = 1.0) -> Snapshot:
    """C_2: neurons relu(s(x) - s(y)) and relu(s(y) - s(x)), both 0 where the answer is 0; embeddings s and b s."""
    task = gi.Task("cyclic", n=2, layout="a b").split(0.5)
    made = planted.embedding_mlp(
        task,
        torch.tensor([[1.0], [-1.0]]),
        torch.tensor([[1.0, -1.0], [-1 / b, 1 / b]]),
        torch.tensor([[-1.0, 1.0], [-1.0, 1.0]]),
    )
    config = type(made.config)(**{**vars(made.config), "shared_embedding": False, "unembed_bias": True})
    tables = {"embed.W_E": made.parameters["embed.W_E"], "embed_b.W_E": b * made.parameters["embed.W_E"]}
    return Snapshot(0, config, task, {**made.parameters, **tables, "unembed.b_U": torch.tensor([1.0, 0])})


def test_causal_tests_of_a_planted_sign_circuit(planted):
    """Flipping both signs or |.| changes no answer; flipping one makes every answer wrong, with both exchanged too."""
    snapshot = sign_model(planted)
    found = causal.Causal().read(snapshot)
    accuracy = found.causal_accuracy.to_series().to_dict()
    assert {name: accuracy[name] for name in ("none", "flip both", "absolute value", "swap embeddings")} == {
        "none": 1, "flip both": 1, "absolute value": 1, "swap embeddings": 1,
    }  # fmt: skip
    assert accuracy["flip left"] == accuracy["flip right"] == 0
    # Logits 1, 0 where the signs are alike and -1, 2 where they are not; with one of them flipped the other way round.
    softplus = lambda x: math.log(1 + math.exp(x))
    for how, loss in {"none": softplus(-1) + softplus(-3), "flip left": softplus(1) + softplus(3)}.items():
        assert found.causal_loss.sel(intervention=how).item() == pytest.approx(loss / 2, rel=1e-6)
    # With b = -1 the two tables are each other's negative, so that swapping them flips both signs.
    assert causal.Causal().read(sign_model(planted, b=-1.0)).causal_accuracy.sel(intervention="swap embeddings") == 1


def test_tampering_is_what_it_says():
    """On random weights: none is the model; |.| the sum of both signs; a swap the model with its tables exchanged."""
    task = gi.Task("sym", n=3, layout="a b").split(0.5)
    config = preset("chughtai").model.resolved(task.n_vocab, task.n_answers, 2)
    parameters = initialise(config, seed=0)
    snapshot = Snapshot(0, config, task, parameters)
    before = {name: value.clone() for name, value in parameters.items()}
    logits = {name: causal.tampered_logits(snapshot, how) for name, how in causal.INTERVENTIONS.items()}
    torch.testing.assert_close(logits["none"], snapshot.logits)
    torch.testing.assert_close(logits["absolute value"], logits["none"] + logits["flip both"])
    exchanged = dict(parameters) | {"embed.W_E": parameters["embed_b.W_E"], "embed_b.W_E": parameters["embed.W_E"]}
    torch.testing.assert_close(logits["swap embeddings"], Snapshot(0, config, task, exchanged).logits)
    flipped = dict(parameters) | {"embed.W_E": -parameters["embed.W_E"]}
    torch.testing.assert_close(logits["flip left"], Snapshot(0, config, task, flipped).logits)
    silent = causal.Tampering(noise=(0.0, 0.0))
    torch.testing.assert_close(causal.tampered_logits(snapshot, silent), snapshot.logits)
    assert all(torch.equal(before[name], value) for name, value in parameters.items())


def test_one_table_has_nothing_to_swap(planted):
    """The intervention is left out, not reported as if it were harmless."""
    found = causal.Causal().read(planted.trace_cube(gi.Task("sym", n=3, layout="a b"), "standard"))
    assert "swap embeddings" not in found.intervention.values and "flip both" in found.intervention.values


def test_output_layer_finds_the_planted_cosets(planted):
    """Columns of W_U that are a function of the left cosets of one subgroup: it explains all, and colours them."""
    snapshot = coset_model(planted, ["6"] * 5)
    assert isinstance(snapshot.task, GroupTask)
    subgroup = [s for s in subgroups(snapshot.task.group).all if s.kind == "6"][2]
    points = torch.randn(5, 4, generator=torch.Generator().manual_seed(3))
    for side in ("left", "right"):
        W_U = points[:, subgroup.labels(side)]
        made = Snapshot(0, snapshot.config, snapshot.task, {**snapshot.parameters, "unembed.W_U": W_U})
        fitted = output_layer.OutputLayer().fit(made)
        found = fitted.read(made)
        assert found.output_explained.item() == pytest.approx(1)
        assert torch.equal(torch.tensor(found.output_colour.values), subgroup.labels(side)) and fitted.side == side
        assert len({tuple(row) for row in found.output_pca.values.round(4).tolist()}) == 4
        assert (found.output_next == -1).all()
    with pytest.raises(gi.BadRequest, match="no subgroup has order 5; the orders are 2, 3, 4, 6, 8, 12"):
        output_layer.OutputLayer(order=5).fit(snapshot)


@pytest.mark.parametrize(("k", "step"), [(1, 1), (5, 5), (3, 4)])
def test_output_layer_of_numbers(planted, k, step):
    """On a circle of frequency k the neighbours of c are c +- 1 / k mod p: 5 * 5 = -1 and 3 * 4 = -1 mod 13."""
    found = output_layer.OutputLayer().read(planted.clock(13, (k,)))
    assert found.output_colour.values.tolist() == [c % step for c in range(13)]
    assert found.output_next.values.tolist() == [(c + step) % 13 for c in range(13)]
    assert found.output_explained.item() == pytest.approx(math.cos(2 * math.pi / 13), abs=1e-3)
    radius = (found.output_pca**2).sum("component") ** 0.5
    assert radius.values == pytest.approx([radius.values.mean()] * 13, rel=1e-3)
    fixed = output_layer.OutputLayer(number_step=8).read(planted.clock(13, (k,)))
    assert fixed.output_colour.values.max() == 7


def test_tsne_where_scikit_learn_is():
    """Points that coincide stay together; without scikit-learn the request says what to install."""
    pytest.importorskip("sklearn")
    labels = torch.arange(24) // 6
    weights = 10 * torch.randn(4, 3, generator=torch.Generator().manual_seed(0))[labels]
    points = torch.tensor(output_layer.tsne(weights))
    distance = torch.cdist(points, points)
    same = labels[:, None] == labels
    assert distance[same].max() < distance[~same].min()


def test_the_map_of_the_output_layer_is_drawn(planted):
    """A point an answer, a colour a residue, and a line from c to c + s; what was not measured is named."""
    found = output_layer.OutputLayer(number_step=8).read(planted.clock(13, (1,)))
    figure = output_map(found)
    lines, *colours = figure.data
    assert len(colours) == 8 and sum(len(trace.x) for trace in colours) == 13
    assert len(lines.x) == 3 * 13
    assert lines.x[0] == found.output_pca[0, 0] and lines.x[1] == found.output_pca[8, 0]
    with pytest.raises(gi.BadRequest, match=r"on_request=\['output_layer', 'output_tsne'\]"):
        output_map(found, "output_tsne")


def test_noise_counts_as_often_as_its_distribution_says():
    """Of C_4 and its one subgroup: both sides within cosets below a third of the variance, (1 - sqrt(2/3))^2."""
    expected = (1 - math.sqrt(2 / 3)) ** 2  # a beta variable of 1 and 1/2, for either side
    assert cosets.noise_share(subgroups(gi.Task("cyclic", n=4).group), 20_000) == pytest.approx(expected, abs=0.005)


def test_noise_is_added_before_the_activation():
    """Of mean 1 and no deviation it is a bias of 1; of deviation 2 it is the seed's draw, twice; names say which."""
    task = gi.Task("sym", n=3, layout="a b").split(0.5)
    config = preset("chughtai").model.resolved(task.n_vocab, task.n_answers, 2)
    parameters = initialise(config, seed=0)
    snapshot = Snapshot(0, config, task, parameters)
    W_U, pre = parameters["unembed.W_U"], snapshot["blocks.0.mlp.hook_pre"]
    noise = torch.randn(pre.shape, generator=torch.Generator().manual_seed(5))
    for mean, deviation in ((1.0, 0.0), (-0.5, 2.0)):
        found = causal.tampered_logits(snapshot, causal.Tampering(noise=(mean, deviation)), seed=5)
        torch.testing.assert_close(found, (pre + mean + deviation * noise).relu() @ W_U)
    told = {name: how.noise for name, how in causal.INTERVENTIONS.items() if name.startswith("noise")}
    assert told == {name: tuple(map(float, name[8:-1].split(", "))) for name in told} and len(told) == 4


@pytest.mark.parametrize(("n", "width"), [(11, 32), (59, 16)])
def test_output_layer_of_noise_is_told_beside_it(n, width):
    """The step is the one whose ends lie nearest, so that noise has some likeness too."""
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(n, width, generator=generator) for _ in range(300)]
    mean = sum(output_layer.kept(W, output_layer.nearest_step(W)) for W in draws) / len(draws)
    assert output_layer.noise_kept(n, width) == pytest.approx(mean, abs=0.01)
