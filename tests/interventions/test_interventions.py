"""`gi.ablate`: what is taken out, what is put in its place, and that nothing is left behind."""

import pytest
import torch
from torch.nn import functional as F

import grokinterp as gi
from grokinterp import fourier, models
from grokinterp.analysis.cycles import Wave
from grokinterp.config import EmbeddingMLPConfig, TransformerConfig
from grokinterp.evaluation import snapshot as snapshots
from grokinterp.interventions import all_frequencies_but
from grokinterp.interventions.frequencies import number_blocks, number_waves
from grokinterp.models.parameters import parameter_shapes

P = 7
TASK = gi.Task("a + b", p=P, layout="a b =")


def random_model(config=None, task=TASK, seed=0, **options):
    """A small float64 model with nothing at its initial constant."""
    if config is None:
        config = TransformerConfig(**{"d_model": 12, "n_heads": 3, "d_mlp": 20, **options})
    config = config.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    generator = torch.Generator().manual_seed(seed)
    shapes = parameter_shapes(config).items()
    weights = {name: torch.randn(shape, generator=generator, dtype=torch.float64) * 0.5 for name, shape in shapes}
    return models.build(config, weights, task=task)


def mlp(task=TASK, **options):
    return random_model(EmbeddingMLPConfig(**{"d_embed": 6, "hidden_sizes": (10, 8), **options}), task)


PAIRS = gi.Task("a + b", p=P, layout="a b")
FAMILIES = {
    "one layer": lambda: random_model(),
    "two layers, LayerNorm": lambda: random_model(n_layers=2, normalization="pre", attention_bias=True),
    "LayerNorm after": lambda: random_model(n_layers=2, normalization="post"),
    "pizza": lambda: random_model(task=PAIRS, attention_rate=0.3, attention_direction="bidirectional"),
    "MLP": lambda: mlp(PAIRS),
    "MLP, two tables": lambda: mlp(PAIRS, shared_embedding=False),
}
families = pytest.mark.parametrize("make", FAMILIES.values(), ids=FAMILIES)
hows = pytest.mark.parametrize("how", ["zero", "mean", "resample"])


@torch.no_grad()
def logits(model, **request):
    with gi.ablate(model, **request):
        return model(model.task.inputs)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


def hook_count(model):
    points = [len(point.fwd_hooks) for point in model.hook_dict.values()]
    modules = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    return sum(points) + sum(modules)


# -- planted truths


@families
def test_ablating_nothing_changes_nothing(make):
    """Bit for bit, whatever is put in the place of an empty list, or of nothing named: the baseline of a loop."""
    model = make()
    for how in ("zero", "mean", "resample"):
        assert torch.equal(logits(model, heads=[], how=how), model(model.task.inputs))
        assert torch.equal(logits(model, how=how), model(model.task.inputs))


def test_without_heads_the_embedding_goes_straight_to_the_mlp():
    """One layer, no bias of attention: with every head at zero, logits are those of embedding, MLP, unembedding."""
    model = random_model()
    x = (model.W_E[TASK.inputs] + model.W_pos).detach()
    x = x + torch.relu(x @ model.W_in[0] + model.b_in[0]) @ model.W_out[0] + model.b_out[0]
    expected = (x @ model.W_U).detach()
    close(logits(model, heads=[(0, 0), (0, 1), (0, 2)]), expected)
    close(logits(model, components=["attention"]), expected)


def test_a_head_is_what_it_writes():
    """Attention only: zeroing a head takes pattern * value * W_O @ W_U off the logits, and only that."""
    model = random_model(attn_only=True)
    whole, cache = model.run_with_cache(TASK.inputs)
    written = cache["blocks.0.attn.hook_z"][:, :, 1] @ model.W_O[0, 1] @ model.W_U
    close(logits(model, heads=[(0, 1)]), (whole - written).detach())


def test_neurons_and_layers_at_zero():
    """Without neuron m its activation times W_out[m] W_U is missing; without a whole layer the stream passes by."""
    model = random_model()
    whole, cache = model.run_with_cache(TASK.inputs)
    written = cache["blocks.0.mlp.hook_post"][..., [3, 17]] @ model.W_out[0][[3, 17]] @ model.W_U
    close(logits(model, neurons=[(0, 3), (0, 17)]), (whole - written).detach())
    straight = ((model.W_E[TASK.inputs] + model.W_pos) @ model.W_U).detach()
    close(logits(model, layers=[0]), straight)


def test_the_direct_path_is_what_layers_leave():
    """With the direct path and the only layer gone nothing reaches the unembedding; apart they sum to the whole."""
    model = random_model()
    whole = model(TASK.inputs).detach()
    direct = logits(model, components=["direct_path"])
    close(direct + logits(model, layers=[0]), whole)
    assert logits(model, layers=[0], components=["direct_path"]).abs().max() < 1e-12


def test_positions():
    """A position's embedding at zero is W_pos with that row at zero; the mean of what all rows share is itself."""
    model, edited = random_model(), random_model()
    with torch.no_grad():
        edited.pos_embed.W_pos[1] = 0
    expected = edited(TASK.inputs).detach()
    close(logits(model, positions=[1]), expected)
    assert torch.equal(logits(model, positions=[1], how="mean"), model(TASK.inputs))
    assert torch.equal(logits(model, components="positions"), logits(model, positions=(0, 1, 2)))


def test_directions_are_gone_from_the_stream():
    """Wherever the stream is read it has no part along the directions, orthonormal or not; the rest is not touched."""
    model = random_model(n_layers=2)
    directions = torch.randn(2, 12, dtype=torch.float64)
    directions = torch.stack([*directions, directions[0] + directions[1]])
    with gi.ablate(model, directions=directions):
        _, cache = model.run_with_cache(TASK.inputs)
    for name in (
        "blocks.0.hook_resid_pre",
        "blocks.0.hook_resid_mid",
        "blocks.1.hook_resid_mid",
        "blocks.1.hook_resid_post",
    ):
        assert (cache[name] @ directions.T).abs().max() < 1e-12
    start = (model.W_E[TASK.inputs] + model.W_pos).detach()
    gone = torch.linalg.lstsq(directions[:2].T, start.flatten(0, 1).T).solution.T @ directions[:2]
    close(cache["blocks.0.hook_resid_pre"], start - gone.reshape(start.shape))


@pytest.mark.parametrize("n_layers", [1, 2])
@hows
def test_directions_of_the_direct_path(how, n_layers):
    """Taken out together, the stream ends along the directions with what stands in their place, and beside them
    with what the layers have written and what stands in the place of its start."""
    model = random_model(n_layers=n_layers)
    directions = torch.linalg.qr(torch.randn(12, 2, dtype=torch.float64)).Q.T
    end = f"blocks.{n_layers - 1}.hook_resid_post"
    clean = model.run_with_cache(TASK.inputs)[1]
    with gi.ablate(model, directions=directions, how=how, seed=1):
        alone = model.run_with_cache(TASK.inputs)[1]
    with gi.ablate(model, directions=directions, components=["direct_path"], how=how, seed=1):
        both = model.run_with_cache(TASK.inputs)[1]
    donors = torch.randperm(P * P, generator=torch.Generator().manual_seed(1))
    put = {"zero": lambda x: 0 * x, "mean": lambda x: x.mean(0, keepdim=True), "resample": lambda x: x[donors]}[how]
    along = directions.T @ directions
    close(both[end] @ along, put(clean[end]).expand_as(both[end]) @ along)
    start, beside = "blocks.0.hook_resid_pre", torch.eye(12, dtype=torch.float64) - along
    close(both[end] @ beside, (alone[end] - clean[start] + put(clean[start])) @ beside)


def test_directions_of_neurons_and_logits():
    """One coordinate axis as a direction is that neuron; on the logits it is that column."""
    model = random_model()
    close(logits(model, directions=torch.eye(20)[4], where="mlp"), logits(model, neurons=[(0, 4)]))
    column = logits(model, directions=torch.eye(8)[2], where="logits")
    assert column[..., 2].abs().max() == 0
    whole = model(TASK.inputs)
    assert torch.equal(column[..., 3:], whole[..., 3:])
    mean = logits(model, directions=torch.eye(8)[2], where="logits", how="mean")[..., 2]
    close(mean, whole[..., 2].mean(0).expand_as(mean))
    network = mlp(PAIRS)
    close(logits(network, directions=torch.eye(8)[4], where="mlp"), logits(network, neurons=[(1, 4)]))


# -- frequencies


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("layout", ["a b =", "a b", "a b+p", "a op b =", "power"])
def test_frequencies_of_the_embedding(layout, scale):
    """Every number block loses cos k and sin k, its constant and the other tokens stay: the same as editing W_E."""
    task = gi.Task("a + b", p=P, layout=layout)
    model, edited = (random_model(task=task, embedding_scale=scale) for _ in range(2))
    blocks = [0, P] if layout == "a b+p" else [0]
    assert number_blocks(task) == blocks
    with torch.no_grad():
        for first in blocks:
            rows = fourier.basis(P)[3:5]
            edited.embed.W_E[first : first + P] -= rows.T @ (rows @ edited.embed.W_E[first : first + P])
    expected = edited(task.inputs).detach()
    close(logits(model, frequencies=[2]), expected)
    with torch.no_grad(), gi.ablate(model, frequencies=[2]):
        close(model(task.inputs[[5, 3]]), expected[[5, 3]])


def test_two_tables_lose_their_own_frequencies():
    """An MLP with an embedding for each operand: both tables lose the frequency."""
    model, edited = FAMILIES["MLP, two tables"](), FAMILIES["MLP, two tables"]()
    rows = fourier.basis(P)[1:3]
    with torch.no_grad():
        for table in (edited.embed, edited.embed_b):
            table.W_E -= rows.T @ (rows @ table.W_E)
    close(logits(model, frequencies=[1]), edited(PAIRS.inputs).detach())


def test_all_frequencies_leave_the_mean_token():
    """Without any frequency every number is embedded as their mean, so all rows have the same logits."""
    model = FAMILIES["pizza"]()
    assert all_frequencies_but(PAIRS, []) == [1, 2, 3] and all_frequencies_but(PAIRS, [2]) == [1, 3]
    answer = logits(model, frequencies=[1, 2, 3])
    close(answer, answer[:1].expand_as(answer))


@pytest.mark.parametrize(("expression", "sign"), [("a + b", 1), ("a - b", -1)])
def test_frequencies_of_logits_are_the_excluded_logits(expression, sign):
    """L - P_k L, P_k on cos and sin of w_k(a +- b) over the table (Nanda et al. 2023): the excluded loss."""
    task = gi.Task(expression, p=P, layout="a b =")
    model = random_model(task=task)
    L = model(task.inputs).detach()[:, -1, :P]
    a, b = task.operands.T
    waves = torch.stack([f(2 * torch.pi * 3 * (a + sign * b).double() / P) for f in (torch.cos, torch.sin)])
    waves = waves / waves.norm(dim=1, keepdim=True)
    excluded = L - waves.T @ (waves @ L)
    found = logits(model, frequencies=[3], where="logits")[:, -1, :P]
    close(found, excluded)
    close(F.cross_entropy(found, task.labels), F.cross_entropy(excluded, task.labels))
    # Behind W_out the MLP's waves are those of its activations (TransformerLens' demo's excluded loss).
    _, cache = model.run_with_cache(task.inputs)
    post = cache["blocks.0.mlp.hook_post"][:, -1]
    kept = post - waves.T @ (waves @ post)
    by_hand = (kept @ model.W_out[0] + model.b_out[0] + cache["blocks.0.hook_resid_mid"][:, -1]) @ model.W_U
    close(logits(model, frequencies=[3], where="mlp")[:, -1], by_hand.detach())


@pytest.mark.parametrize("expression", ["a * b", "a / b"])
def test_multiplication_has_characters(expression):
    """Frequencies count characters: zero's embedding stays, rows with a zero keep their logits."""
    task = gi.Task(expression, p=P, layout="a b =")
    model = random_model(task=task)
    rows = number_waves(task, (2,))
    close(rows @ rows.T, torch.eye(2, dtype=torch.float64))
    close(rows[:, 0], torch.zeros(2, dtype=torch.float64))
    close(rows[0, 3 * torch.arange(1, P) % P], fourier.characters(P)[4, 3 * torch.arange(1, P) % P])
    answer, whole = logits(model, frequencies=[2], where="logits"), model(task.inputs)
    waves = Wave.of(task).directions([2])
    assert (waves @ answer[:, -1]).abs().max() < 1e-12
    zero = (task.operands == 0).any(1)
    assert torch.equal(answer[zero], whole[zero]) and not torch.allclose(answer[~zero], whole[~zero])


def test_a_polynomial_has_waves_in_the_embedding_only():
    """Its answers ride on no single wave, and the refusal says what can be done."""
    model = random_model(task=gi.Task("a^2 + a*b", p=P, layout="a b ="))
    assert not torch.equal(logits(model, frequencies=[1]), model(model.task.inputs))
    with pytest.raises(gi.BadRequest, match=r"ride on no single wave.*where='embedding'"):
        gi.ablate(model, frequencies=[1], where="mlp")


@pytest.mark.parametrize("where", ["mlp", "logits"])
@pytest.mark.parametrize("make", [FAMILIES["one layer"], FAMILIES["MLP"], FAMILIES["MLP, two tables"]])
def test_table_waves_refuse_another_batch(where, make):
    """Waves over the table mean nothing on a part of it, nor in another order; the model is itself again afterwards."""
    model = make()
    inputs, before = model.task.inputs, hook_count(model)
    for batch in (inputs[:10], inputs.flip(0)):
        with (
            pytest.raises(gi.BadRequest, match=r"call the model on task\.inputs"),
            gi.ablate(model, frequencies=[1], where=where),
        ):
            model(batch)
    assert hook_count(model) == before


# -- mean and resample


@hows
@families
def test_replacing_by_the_model_s_own(make, how):
    """What all rows share is its own mean and any row's value: neurons that are constant are left as they are."""
    model = make()
    with torch.no_grad():
        model.blocks[0].mlp.W_in[:, 5] = 0
        model.blocks[0].mlp.b_in[5] = 0.25
    if how != "zero":
        assert torch.equal(logits(model, neurons=[(0, 5)], how=how), model(model.task.inputs))
    else:
        assert not torch.equal(logits(model, neurons=[(0, 5)], how=how), model(model.task.inputs))


def test_the_mean_is_over_data_position_by_position():
    """Heads take the mean of their z over the rows of `data`, at each position its own."""
    model = random_model(attn_only=True)
    data = TASK.inputs[:9]
    z = model.run_with_cache(data)[1]["blocks.0.attn.hook_z"][:, :, 2].mean(0)
    whole, cache = model.run_with_cache(TASK.inputs)
    change = (z - cache["blocks.0.attn.hook_z"][:, :, 2]) @ model.W_O[0, 2] @ model.W_U
    close(logits(model, heads=[(0, 2)], how="mean", data=data), (whole + change).detach())


@pytest.mark.parametrize("how", ["mean", "resample"])
def test_what_is_put_in_place_is_over_all_rows_of_data(how, monkeypatch):
    """By hand, of rows that are taken eleven at a time: the mean of 40 rows, or those that the seed's order deals."""
    model, data = random_model(attn_only=True), TASK.inputs[7:47]
    z = model.run_with_cache(data)[1]["blocks.0.attn.hook_z"][:, :, 2]
    donors = torch.randperm(40, generator=torch.Generator().manual_seed(5))[torch.arange(P * P) % 40]
    put = z.mean(0, keepdim=True) if how == "mean" else z[donors]
    whole, cache = model.run_with_cache(TASK.inputs)
    change = (put - cache["blocks.0.attn.hook_z"][:, :, 2]) @ model.W_O[0, 2] @ model.W_U
    monkeypatch.setattr(snapshots, "TOKENS_AT_ONCE", 33)
    close(logits(model, heads=[(0, 2)], how=how, data=data, seed=5), (whole + change).detach())


def test_resampling_is_reproducible_and_deals_out_the_same_values():
    """A seed gives the same logits each time, another seed others; over the table the values are those there were."""
    model = random_model()
    request = {"neurons": [(0, 3)], "how": "resample"}
    assert torch.equal(logits(model, **request, seed=1), logits(model, **request, seed=1))
    assert not torch.equal(logits(model, **request, seed=1), logits(model, **request, seed=2))
    _, clean = model.run_with_cache(TASK.inputs)
    with gi.ablate(model, **request):
        _, cache = model.run_with_cache(TASK.inputs)
    before, after = clean["blocks.0.mlp.hook_post"][..., 3], cache["blocks.0.mlp.hook_post"][..., 3]
    assert not torch.equal(before, after)
    assert torch.equal(before.sort(0).values, after.sort(0).values)


def test_all_parts_come_from_the_same_other_row():
    """With everything but the direct path resampled together, each row's logits are those of one other row."""
    model = random_model()
    found = logits(model, components=["direct_path"], layers=[0], how="resample")
    whole = model(TASK.inputs).detach()
    distance = torch.cdist(found.flatten(1), whole.flatten(1))
    assert (distance.min(1).values < 1e-5).all()
    assert distance.argmin(1).sort().values.tolist() == list(range(P * P))


@pytest.mark.parametrize("where", ["embedding", "logits"])
def test_resampled_frequencies_keep_their_power(where):
    """The frequency's part is dealt out to other numbers or rows: the sum of squares of what changes stays."""
    model = random_model()
    seen = "hook_embed" if where == "embedding" else None
    whole, cache = model.run_with_cache(TASK.inputs)
    removed, ablated = {}, {}
    for how, store in (("zero", removed), ("resample", ablated)):
        with gi.ablate(model, frequencies=[2], where=where, how=how):
            out, now = model.run_with_cache(TASK.inputs)
        store["x"] = (now[seen] if seen else out).detach()
    original = cache[seen] if seen else whole
    close((ablated["x"] - removed["x"]).norm(), (original - removed["x"]).norm().detach())


@hows
def test_asking_for_one_position_gives_the_same_logits(how):
    """`positions=[-1]` computes less and answers the same, though the last block's hooks see one position only."""
    model = random_model(n_layers=2)
    request = {"heads": [(0, 1), (1, 2)], "neurons": [(1, 3)], "components": ["direct_path"], "how": how}
    whole = logits(model, **request)
    with torch.no_grad(), gi.ablate(model, **request):
        close(model(TASK.inputs, positions=[-1]), whole[:, [-1]])


def test_rows_of_another_length_need_their_own_data():
    """Means are kept for each position; a shorter batch is told so."""
    model = random_model()
    with (
        pytest.raises(gi.BadRequest, match="3 positions and the batch 2"),
        gi.ablate(model, heads=[(0, 0)], how="mean"),
    ):
        model(TASK.inputs[:, :2])
    with gi.ablate(model, heads=[(0, 0)], how="mean", data=TASK.inputs[:, :2]):
        assert model(TASK.inputs[:, :2]).shape == (P * P, 2, P + 1)


# -- the block


REQUESTS = [
    {"heads": [(0, 1)], "how": "mean"},
    {"neurons": [(0, 2), (0, 3)], "how": "resample"},
    {"frequencies": [2]},
    {"frequencies": [1], "where": "logits"},
    {"components": ["direct_path"]},
]


@pytest.mark.parametrize("inner", REQUESTS, ids=str)
@pytest.mark.parametrize("outer", REQUESTS, ids=str)
def test_blocks_nest(outer, inner):
    """The inner block adds to the outer, a part taken out twice is out once, and leaving restores each exactly."""
    model = random_model()
    whole, alone = model(TASK.inputs), logits(model, **outer)
    with torch.no_grad(), gi.ablate(model, **outer):
        assert torch.equal(model(TASK.inputs), alone)
        with gi.ablate(model, **inner):
            both = model(TASK.inputs)
        assert torch.equal(model(TASK.inputs), alone)
    assert torch.equal(model(TASK.inputs), whole)
    if outer is inner:
        close(both, alone)
    else:
        with torch.no_grad(), gi.ablate(model, **inner), gi.ablate(model, **outer):
            close(model(TASK.inputs), both)


def test_the_inner_block_decides_over_a_part_that_both_name():
    """A head at zero, then its mean: inside it is the mean. A frequency likewise."""
    model = random_model()
    for part in ({"heads": [(0, 1)]}, {"frequencies": [2]}, {"components": ["direct_path"]}):
        inner = logits(model, **part, how="resample")
        with torch.no_grad(), gi.ablate(model, **part, how="zero"), gi.ablate(model, **part, how="resample"):
            close(model(TASK.inputs), inner)


@families
def test_nothing_is_left_behind(make):
    """Not after the block, not after an error in it; and the caller's own hooks stay and see the ablated values."""
    model = make()
    seen = []
    model.add_hook("blocks.0.mlp.hook_post", lambda x, hook: seen.append(x.detach().clone()))
    before, whole = hook_count(model), model(model.task.inputs)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    request = {"neurons": [(0, 1)], "frequencies": [1], "how": "mean"}
    with gi.ablate(model, **request) as inside:
        assert inside is model
        model.add_hook("blocks.0.mlp.hook_pre", lambda x, hook: None)
    with pytest.raises(RuntimeError, match="inside"), gi.ablate(model, **request, where="logits"):
        model(model.task.inputs)
        raise RuntimeError("inside")
    assert hook_count(model) == before + 2  # Added inside by the caller: in the point's list, and on the module.
    assert torch.equal(model(model.task.inputs), whole)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert len(seen) == 3


def test_gradients_flow_through_an_ablation():
    """Training can go on inside a block: the gradient is that of the model with its weights edited."""
    model, edited = random_model(), random_model()
    rows = fourier.basis(P)[3:5]
    with gi.ablate(model, frequencies=[2], heads=[(0, 0)]):
        model(TASK.inputs).square().sum().backward()
    keep = torch.eye(P + 1, dtype=torch.float64)
    keep[:P, :P] -= rows.T @ rows
    with gi.ablate(edited, heads=[(0, 0)]):
        with torch.no_grad():
            edited.embed.W_E.copy_(keep @ edited.embed.W_E)
        edited(TASK.inputs).square().sum().backward()
    close(model.embed.W_E.grad, keep @ edited.embed.W_E.grad)
    close(model.blocks[0].attn.W_V.grad[0], torch.zeros_like(model.W_V[0, 0]))


# -- public checkpoints


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            "pizza/model_p99zdpze5l.pt",
            {(17,): 0.492, (3,): 0.542, (15,): 0.529, (25,): 1.0, (6,): 1.0, (29,): 1.0, (17, 3, 15, 25, 6, 29): 0.014},
        ),
        ("pizza/model_p71frej8t7.pt", {(29,): 0.542, (24,): 0.556, (14,): 0.576, (17,): 0.773, (11,): 1.0}),
    ],
)
def test_frequencies_of_published_models(data, file, expected):
    """Accuracy over the table of Zhong et al. 2023's Model A and Model beta without frequencies of W_E, to 3 digits."""
    model = gi.load(data(file)).final.model()
    task = model.task
    for frequencies, accuracy in expected.items():
        guess = logits(model, frequencies=frequencies)[:, -1, : task.n_answers].argmax(-1)
        assert (guess == task.labels).double().mean().item() == pytest.approx(accuracy, abs=6e-4)
    key = max(expected, key=len)
    if len(key) > 1:
        guess = logits(model, frequencies=all_frequencies_but(task, key))[:, -1].argmax(-1)
        assert torch.equal(guess, task.labels)
