"""The irreps circuit on planted trace cubes, whose every reading is known, and on noise."""

import numpy as np
import pytest
import torch
import xarray as xr

import grokinterp as gi
from grokinterp.circuits import irreps
from grokinterp.config.presets import preset
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.irreps import spectrum
from grokinterp.models.initialisation import initialise

CASES = [("sym", 3, "standard"), ("sym", 4, "standard*sign"), ("sym", 4, "(2,2)"), ("dihedral", 5, "freq_2")]


@pytest.mark.parametrize(("name", "n", "irrep"), CASES)
def test_a_planted_trace_cube(planted, name, n, irrep):
    """Logit FVE 1 on its irrep, embeddings and unembedding in it, restricted = full loss, excluded = chance."""
    task = gi.Task(name, n=n, layout="a b")
    snapshot = planted.trace_cube(task, irrep)
    group = task.group
    rho = next(rho for rho in group.irreps if rho.name == irrep)
    torch.testing.assert_close(
        snapshot.logits, 10 * rho.character[group.quotients[task.labels]].float(), rtol=0, atol=1e-3
    )
    circuit = irreps.Irreps().fit(snapshot)
    assert circuit.key == (irrep,)
    found = circuit.read(snapshot)
    one_hot = [float(name == irrep) for name in found.irrep.values]
    for variable in ("logit_similarity", "embedding_a_fve", "embedding_b_fve", "unembedding_fve", "is_key_irrep"):
        assert found[variable].values.astype(float) == pytest.approx(one_hot, abs=1e-4), variable
    assert found.logit_irrep_fve.item() == pytest.approx(1, abs=1e-5)
    full = snapshot.loss(snapshot.logits)
    assert found.restricted_loss_irreps.item() == pytest.approx(full, rel=1e-3, abs=1e-7)
    chance = torch.tensor(float(len(group))).log().item()
    assert found.excluded_loss_irreps.item() == pytest.approx(chance, abs=1e-3)
    assert found.restricted_loss_by_irrep.sel(irrep="trivial").item() == pytest.approx(chance, abs=1e-3)
    assert found.excluded_loss_by_irrep.sel(irrep="trivial").item() == pytest.approx(
        snapshot.loss(snapshot.logits, task.split(0.5).is_train), rel=1e-3, abs=1e-7
    )


def test_two_trace_cubes_add_their_squares():
    """logits = 3 T_1 + 4 T_2 of types and dimensions whatever: cosines 3/5 and 4/5, for cubes have equal norms."""
    task = gi.Task("sym", n=4)
    group = task.group
    cubes = [rho.character[group.quotients[task.labels]] for rho in group.irreps]
    found = irreps.similarities(3 * cubes[1] + 4 * cubes[2] + 100, task.labels, group)
    assert found.tolist() == pytest.approx([0, 0.6, 0.8, 0, 0], abs=1e-9)


@pytest.mark.parametrize("operation", ["xy", "xyx^-1", "xyx"])
def test_hidden_shares_of_planted_neurons(operation):
    """A neuron of x, one of y and one of the answer, each a matrix entry of an irrep, of variances 1 : 4 : 9."""
    task = gi.Task("sym", n=4, operation=operation)
    entry = {name: task.group.irreps[i].matrices[:, 0, 1] for name, i in (("x", 1), ("y", 2), ("answer", 3))}
    entry = {name: f / f.square().mean().sqrt() for name, f in entry.items()}
    x, y = task.operands.T
    neurons = torch.stack([5 + entry["x"][x], 2 * entry["y"][y], 3 * entry["answer"][task.labels]], 1)
    found = irreps.hidden_shares(neurons, task.labels, task.group)
    assert found.a.tolist() == pytest.approx([0, 1 / 14, 0, 0, 0], abs=1e-9)
    if operation == "xy":
        assert found.b.tolist() == pytest.approx([0, 0, 4 / 14, 0, 0], abs=1e-9)
    assert found.answer[3].item() == pytest.approx(9 / 14, abs=0.1 if operation != "xy" else 1e-9)


def test_an_untrained_model_has_no_key_irreps_and_reads_as_noise():
    """Shares of an embedding are those of dimensions squared; with no key irreps nothing is restricted to."""
    task = gi.Task("sym", n=4, layout="a b").split(0.5)
    model = preset("chughtai").model.resolved(task.n_vocab, task.n_answers, 2)
    snapshot = Snapshot(0, model, task, initialise(model, seed=0))
    found = irreps.Irreps(key=()).read(snapshot)
    assert found.embedding_fve.values == pytest.approx([d**2 / 24 for d in (1, 3, 2, 3, 1)], abs=0.06)
    assert found.embedding_fve.sum().item() == pytest.approx(1)
    assert found.unembedding_fve.sum().item() == pytest.approx(1)
    assert found.logit_irrep_fve.item() < 0.01
    assert found.restricted_loss_irreps.item() == pytest.approx(torch.tensor(24.0).log().item())
    assert found.excluded_loss_irreps.item() == pytest.approx(snapshot.loss(snapshot.logits, task.is_train))


def test_order_of_learning():
    """The first step at which each key irrep is similar, in that order."""
    trace = xr.Dataset(
        {
            "logit_similarity": (("step", "irrep"), np.array([[0, 0.01, 0.02], [0, 0.01, 0.4], [0, 0.5, 0.6]])),
            "is_key_irrep": (("step", "irrep"), np.array([[False, True, True]] * 3)),
        },
        {"step": [0, 100, 200], "irrep": ["trivial", "standard", "sign"]},
    )
    assert irreps.Irreps().summarise(trace) == {"irreps_learnt": "sign at 100, standard at 200"}
    assert irreps.Irreps().summarise(trace.isel(step=[0])) == {}


def test_each_threshold_of_similarity_from_both_sides(planted, monkeypatch):
    """Key above .005 at the end, the trivial irrep never and an opposite cube neither; learnt above .05."""
    final = planted.trace_cube(gi.Task("sym", n=3, layout="a b"), "sign")
    names = [irrep.name for irrep in final.task.group.irreps]
    for similar, key in (([0.9, 0.0049, 0.0051], names[2:]), ([0.9, 0.0051, -0.9], names[1:2])):
        monkeypatch.setattr(irreps, "similarities", lambda *_, similar=similar: torch.tensor(similar))
        assert irreps.Irreps().fit(final).key == tuple(key)
    trace = xr.Dataset(
        {
            "logit_similarity": (("step", "irrep"), np.array([[0.049, 0.0], [0.051, 0.049]])),
            "is_key_irrep": (("step", "irrep"), np.array([[True, True]] * 2)),
        },
        {"step": [0, 100], "irrep": ["standard", "sign"]},
    )
    assert irreps.Irreps().summarise(trace) == {"irreps_learnt": "standard at 100"}


@pytest.mark.parametrize("task", [("sym", {"n": 3}), ("cyclic", {"n": 5}), ("dihedral", {"n": 4})], ids=lambda t: t[0])
def test_a_cube_is_like_itself_whatever_its_type_and_the_rows_offsets(task):
    """A cosine of 1 for irreps of real and of complex type; what all answers of a row have in common is no logit."""
    name, parameters = task
    task = gi.Task(name, **parameters)
    group = task.group
    offset = 50 * torch.randn(len(task.inputs), 1, dtype=torch.float64)
    for place, rho in enumerate(group.irreps):
        if rho.name != "trivial":
            cube = rho.character[group.quotients[task.labels]]
            found = irreps.similarities(2 * cube + offset, task.labels, group)
            expected = [float(i == place) for i in range(len(group.irreps))]
            assert found.tolist() == pytest.approx(expected, abs=1e-9), rho.name


@pytest.mark.parametrize("frac", [None, 0.6])
def test_a_table_of_the_training_rows_has_no_irrep_that_is_borne_out(planted, frac):
    """S3 looked up: the trace cubes of all irreps are in its logits, each as the null has it."""
    task = gi.Task("sym", n=3, layout="a b")
    snapshot = planted.lookup(task if frac is None else task.split(frac, seed=1))
    found = irreps.Irreps().fit(snapshot).read(snapshot)
    assert found.is_key_irrep.values[1:].all()
    null = found.logit_similarity_null.values[1:] ** 2 / irreps.LOOKUP_RATIO
    if frac is None:
        assert found.logit_similarity.values[1:] ** 2 == pytest.approx(null, rel=1e-6)
        assert null == pytest.approx([d**2 / 5 for d in found.irrep_dimension.values[1:]])
    assert irreps.borne_out(found) == []


def test_a_planted_trace_cube_is_borne_out_unless_it_needs_all_else_more(planted):
    """The rule's other sides: the cube alone, and the same readings with the losses turned round."""
    task = gi.Task("sym", n=4, layout="a b").split(0.5)
    snapshot = planted.trace_cube(task, "standard")
    found = irreps.Irreps().fit(snapshot).read(snapshot)
    assert irreps.borne_out(found) == ["standard"]
    assert irreps.borne_out(found.assign(excluded_loss_irreps=found.restricted_loss_irreps)) == []
    assert irreps.borne_out(found.assign(logit_similarity=found.logit_similarity_null)) == []


def test_noise_is_below_the_null():
    """Random logits of S3 have cosines of .07 with every cube; one direction of noise may have more."""
    task = gi.Task("sym", n=3)
    logits = torch.randn(36, 6, generator=torch.Generator().manual_seed(3))
    null = irreps.null_similarities(logits, task.labels, torch.ones(36, dtype=torch.bool), task.group)
    assert null.min().item() == pytest.approx((10.8 / 180) ** 0.5, rel=1e-6)
    assert (irreps.similarities(logits, task.labels, task.group).abs() < null).all()


def test_each_operand_has_an_embedding_of_its_own():
    """The table of x in one irrep and that of y in another: a, b, and both together, each weighing its square."""
    task = gi.Task("sym", n=3, layout="a b").split(0.5)
    model = preset("chughtai").model.resolved(task.n_vocab, task.n_answers, 2)
    parameters, group = initialise(model, seed=0), task.group
    for name, i in (("embed.W_E", 1), ("embed_b.W_E", 2)):
        parameters[name] = spectrum.part(parameters[name], group, [i]).float()
    found = irreps.Irreps(key=()).read(Snapshot(0, model, task, parameters))
    assert found.embedding_a_fve.values == pytest.approx([0, 1, 0], abs=1e-5)
    assert found.embedding_b_fve.values == pytest.approx([0, 0, 1], abs=1e-5)
    W = parameters["blocks.0.mlp.W_in"].chunk(2)
    x, y = (float((parameters[f"{name}.W_E"] @ W[i]).square().sum()) for i, name in enumerate(("embed", "embed_b")))
    assert found.embedding_fve.values == pytest.approx([0, x / (x + y), y / (x + y)], abs=1e-5)
