"""Nanda et al. 2023's files: weights, losses, settings, and the split found from what was recorded."""

import math

import pytest
import torch
from torch.nn import functional as F

import grokinterp as gi
from grokinterp.importers._evidence import measured
from grokinterp.importers._unpickle import read_torch_file
from grokinterp.models.initialisation import initialise

WD = "nanda/wd_10-1_mod_addition_loss_curve.pth"


def early_logits(weights, tokens, causal=True, alpha=1.0, activation=torch.relu):
    """The forward of his code, written from its description: weights [out, in], heads first in W_O's columns."""
    x = weights["embed.W_E"].T[tokens] + weights["pos_embed.W_pos"]
    layers = sum(name.endswith("W_O") for name in weights)
    for i in range(layers):
        block = {name.split(f".{i}.", 1)[1]: w for name, w in weights.items() if f"blocks.{i}." in name}
        q, k, v = (torch.einsum("hed,bpd->bhpe", block[f"attn.W_{letter}"], x) for letter in "QKV")
        scores = q @ k.mT / q.shape[-1] ** 0.5
        if causal:
            scores = scores - 1e10 * (1 - torch.tril(torch.ones(scores.shape[-2:])))
        z = (scores.softmax(-1) * alpha + (1 - alpha)) @ v
        x = x + z.transpose(1, 2).flatten(2) @ block["attn.W_O"].T
        if "mlp.W_in" in block:
            x = x + activation(x @ block["mlp.W_in"].T + block["mlp.b_in"]) @ block["mlp.W_out"].T + block["mlp.b_out"]
    return x @ weights["unembed.W_U"]


def early_weights(seed=0, d=8, heads=2, d_head=None, vocab=6, n_ctx=3, blocks=("blocks.0",), mlp=True, columns=None):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator) / 2
    d_head = d_head or d // heads
    weights = {"embed.W_E": draw(d, vocab), "pos_embed.W_pos": draw(n_ctx, d)}
    for block in blocks:
        weights |= {f"{block}.attn.W_{x}": draw(heads, d_head, d) for x in "KQV"}
        weights |= {f"{block}.attn.W_O": draw(d, heads * d_head), f"{block}.attn.mask": torch.ones(n_ctx, n_ctx).tril()}
        if mlp:
            weights |= {f"{block}.mlp.W_in": draw(4 * d, d), f"{block}.mlp.b_in": draw(4 * d)}
            weights |= {f"{block}.mlp.W_out": draw(d, 4 * d), f"{block}.mlp.b_out": draw(d)}
    return {**weights, "unembed.W_U": draw(d, columns or vocab)}


@pytest.fixture
def early_file(tmp_path):
    def write(content):
        torch.save(content, tmp_path / "early.pth")
        return tmp_path / "early.pth"

    return write


# -- the released file


def test_the_released_run_has_its_losses(released):
    """From its weights alone: train 9.2024e-9, test 4.9884e-7, accuracy 1 (one update after the recorded losses)."""
    assert released.steps == [107791]
    values = measured(released.final.config, released.final.parameters, released.task)
    assert values["train_loss"] == pytest.approx(9.2024e-9, rel=1e-4)
    assert values["test_loss"] == pytest.approx(4.9884e-7, rel=1e-4)
    assert values["accuracy"] == values["train_accuracy"] == values["test_accuracy"] == 1.0
    recorded = released.metrics.iloc[-1]
    assert recorded["step"] == 107790
    assert recorded["train_loss"] == pytest.approx(values["train_loss"], rel=1e-3)
    assert recorded["test_loss"] == pytest.approx(values["test_loss"], rel=1e-3)


def test_the_released_run_says_what_it_is(released):
    """Task, split and seed are those of its config; the weight decay is the optimiser's, the config's being stale."""
    assert released.task.expression == "a + b" and released.task.parameters["p"] == 113
    assert int(released.task.is_train.sum()) == int(0.3 * 113**2) == 3830
    assert released.config.seed == 1 and released.config.split.frac == 0.3 and released.config.split.split == "nanda"
    assert released.config.optimiser.weight_decay == 0.1 and released.config.optimiser.beta2 == 0.98
    assert any("weight decay 0.1" in note and "config says 1" in note for note in released.source["notes"])
    # '=' occurs at the last position only, so that decay makes its embedding and that position's one and the same.
    weights = released.final.parameters
    assert (weights["embed.W_E"][113] - weights["pos_embed.W_pos"][2]).abs().max() < 1e-5


def test_its_losses_are_by_step(released):
    """Loss i belongs to step i; test losses were taken every tenth; the first update had a rate of zero."""
    metrics = released.metrics
    assert metrics["step"].tolist() == list(range(107791))
    assert metrics["test_loss"].notna().sum() == 10780
    assert metrics["test_loss"].first_valid_index() == 0 and metrics["test_loss"].dropna().index[1] == 10
    assert metrics["train_loss"][0] == metrics["train_loss"][1] == 4.776912162847635
    peak = metrics["test_loss"].idxmax()
    assert peak == pytest.approx(1550, abs=10) and metrics["test_loss"][peak] == pytest.approx(40.4, abs=0.05)


def test_its_initial_weights_can_be_drawn_again(data, released):
    """Seed 1's weights and split have the first losses that were recorded, to eight digits."""
    values = measured(released.final.config, initialise(released.final.config, 1), released.task)
    # Recorded over all 114 columns, measured over the 113 answers: '=' has a share of about 1/114.
    assert values["train_loss"] == pytest.approx(4.776912162847635, abs=0.02)
    content = read_torch_file(data(WD))
    del content["config"]
    assert content["train_losses"][0] == pytest.approx(first_loss(released, 1, released.task.is_train), rel=1e-8)
    assert content["test_losses"][0] == pytest.approx(first_loss(released, 1, ~released.task.is_train), rel=1e-8)


def first_loss(run, seed, rows):
    from grokinterp.evaluation.evaluator import evaluator
    from grokinterp.evaluation.losses import cross_entropy

    logits = evaluator(run.final.config, run.task)(initialise(run.final.config, seed))
    return float(cross_entropy(logits[rows], run.task.labels[rows]))


# -- the same file without its config


def test_the_split_is_found_from_the_last_losses(data, early_file, released):
    """Without a config the task is what the weights answer, and the split what gives the recorded losses."""
    content = read_torch_file(data(WD))
    del content["config"]
    run = gi.load(early_file(content))
    assert torch.equal(run.task.is_train, released.task.is_train)
    assert run.config.seed == 1 and run.config.split.frac == 0.3
    assert any("seed 1, frac 0.3" in note and "inferred" in note for note in run.source["notes"])
    assert any("a + b mod 113 is inferred" in note for note in run.source["notes"])


def test_the_split_is_found_from_the_first_losses_where_the_last_moved(data, early_file, released):
    """In a slingshot the last losses say nothing; the first are those of initial weights that can be drawn again."""
    content = read_torch_file(data(WD))
    del content["config"]
    content["train_losses"][-1], content["test_losses"][-1] = 0.3, 0.001
    run = gi.load(early_file(content))
    assert torch.equal(run.task.is_train, released.task.is_train)


def test_a_split_that_nothing_confirms_stays_unknown(data, early_file):
    """Where neither end matches any seed, no split is claimed, and the run says so."""
    content = read_torch_file(data(WD))
    del content["config"]
    content["train_losses"][-1], content["test_losses"][-1] = 0.3, 0.001
    content["train_losses"][0] *= 1.01
    run = gi.load(early_file(content))
    assert run.task.is_train is None
    assert any("the split is unknown" in note for note in run.source["notes"])


# -- any file of his code


@pytest.mark.parametrize(
    "blocks", [("blocks.0",), ("blocks.0", "blocks.1"), ("attn_blocks.0", "attn_blocks.1")], ids=str
)
def test_weights_keep_their_function(early_file, blocks):
    """The classic model computes what his code computes, in one layer or more, with MLPs or without."""
    weights = early_weights(blocks=blocks, mlp=not blocks[0].startswith("attn"))
    run = gi.load(early_file({"model": weights, "train_losses": [1.0] * 7}))
    assert run.steps == [7] and run.final.config.n_layers == len(blocks)
    tokens = torch.cartesian_prod(torch.arange(5), torch.arange(5), torch.tensor([5]))
    torch.testing.assert_close(run.final.model()(tokens), early_logits(weights, tokens), rtol=1e-4, atol=1e-4)


def test_a_wide_head_keeps_its_function(early_file):
    """d_head need not be d_model / n_heads."""
    weights = early_weights(d=8, heads=3, d_head=5)
    run = gi.load(early_file({"model": weights}))
    tokens = torch.tensor([[1, 2, 5], [4, 4, 5]])
    torch.testing.assert_close(run.final.model()(tokens), early_logits(weights, tokens), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "formula"), [("add", "a + b"), ("subtract", "a - b"), ("x2xyy2", "a^2 + a*b + b^2"), ("rand", None)]
)
def test_his_operations_have_their_names(early_file, name, formula):
    """fn_name of the config gives the formula; the random table cannot be rebuilt, and says so."""
    config = {"p": 5, "fn_name": name, "frac_train": 0.4, "seed": 3}
    run = gi.load(early_file({"model": early_weights(), "config": config}))
    if formula is None:
        assert not run.has_task and any("'rand'" in note for note in run.source["notes"])
    else:
        assert run.task.expression == formula
        assert torch.equal(run.task.is_train, gi.Task(formula, p=5, layout="a b =").split(0.4, 3, "nanda").is_train)


def test_files_of_other_tasks_load(data, five_digits):
    """Five-digit addition is found by its sizes and its sums; the induction heads' sequences are not known."""
    assert (
        five_digits.steps == [6000]
        and five_digits.task.parameters["digits"] == 5
        and five_digits.final.config.n_ctx == 18
    )
    assert any("sums of 5 digits" in note for note in five_digits.source["notes"])
    assert five_digits.metrics["train_loss"].iloc[-100:].mean() == pytest.approx(0.0122, abs=5e-5)
    heads = gi.load(data("nanda/induction_head_infinite.pth"))
    assert heads.final.config.attn_only and heads.final.config.n_layers == 2 and heads.steps == [6000]
    assert heads.config.optimiser.beta2 == 0.999 and heads.config.schedule.batch_size == 128
    assert heads.metrics["train_loss"].iloc[-100:].mean() == pytest.approx(0.302, abs=5e-4)
    with pytest.raises(gi.BadRequest, match=r"task=gi\.Task"):
        _ = heads.task


def test_five_digit_addition_adds(five_digits):
    """Read as its format says, sum digits are predicted from the positions before them: accuracy above 98 % a digit."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(0, 100_000, (2, 300), generator=generator)
    digits = lambda n, width: torch.stack([n // 10**i % 10 for i in range(width - 1, -1, -1)], 1)
    sign = lambda token: torch.full((300, 1), token)
    tokens = torch.cat([digits(a, 5), sign(10), digits(b, 5), sign(11), digits(a + b, 6)], 1)
    logits = five_digits.final.model()(tokens)[:, 11:17]
    assert (logits.argmax(-1) == tokens[:, 12:]).float().mean() > 0.98
    assert F.cross_entropy(logits.flatten(0, 1), tokens[:, 12:].flatten()) < 0.05


def test_the_induction_heads_attend_as_published(data):
    """Layer 0 head 2 attends to the previous token (.89 in the first block of the sequence)."""
    run = gi.load(data("nanda/induction_head_infinite.pth"))
    tokens = torch.randint(1, 128, (16, 85), generator=torch.Generator().manual_seed(0))
    tokens[:, 0] = 0
    _, cache = run.final.model().run_with_cache(tokens, names_filter=["blocks.0.attn.hook_pattern"])
    pattern = cache["blocks.0.attn.hook_pattern"][:, 2]
    previous = pattern.diagonal(offset=-1, dim1=1, dim2=2)[:, 2:26].mean()
    assert previous == pytest.approx(0.89, abs=0.05)


def test_a_bare_state_dict_needs_its_format(early_file):
    """Without losses or config it could be Zhong et al.'s, with another attention: the user says which."""
    path = early_file(early_weights())
    with pytest.raises(gi.BadRequest, match=r"config_early.json is not beside it.*format='nanda'"):
        gi.load(path)
    assert gi.load(path, format="nanda").steps == [0]


def test_a_given_task_counts(early_file):
    """A task with a split is taken as given; one that does not fit is refused."""
    path = early_file({"model": early_weights(), "config": {"p": 5, "fn_name": "add", "frac_train": 0.4, "seed": 3}})
    task = gi.Task("a - b", p=5, layout="a b =").split(frac=0.5, seed=9)
    assert gi.load(path, task=task).task is task
    with pytest.raises(gi.BadRequest, match=r"d_vocab=6 .* needs 8"):
        gi.load(path, task=gi.Task("a + b", p=7, layout="a b ="))


@pytest.mark.parametrize(("n_train", "n_test", "every"), [(20, 20, 1), (21, 3, 10), (40, 10, 4), (20, 13, None)])
def test_sparser_losses_fall_on_their_steps(early_file, n_train, n_test, every):
    """A list n times shorter was taken every n steps; a length that fits no step is left out, and the run says so."""
    content = {
        "model": early_weights(),
        "train_losses": [1.0] * n_train,
        "test_losses": [float(i) for i in range(n_test)],
    }
    run = gi.load(early_file(content))
    known = run.metrics["test_loss"].dropna()
    if every is None:
        assert known.empty and any("test_loss left out" in note for note in run.source["notes"])
    else:
        assert {int(step): value for step, value in known.items()} == {i * every: float(i) for i in range(n_test)}
    assert math.isnan(run.metrics["train_accuracy"][0])


# -- what the file does not say


def how(run):
    """What was settled -> how it is known."""
    return {assumption.what: assumption.how for assumption in run.assumptions}


def trained_early(activation, p=7, steps=400):
    """Weights of his kind after training on the whole table, whose MLPs have this activation."""
    task = gi.Task("a + b", p=p, layout="a b =")
    weights = early_weights(seed=1, d=24, heads=2, vocab=p + 1)
    free = {name: value.requires_grad_() for name, value in weights.items() if not name.endswith("mask")}
    optimiser = torch.optim.AdamW(free.values(), 1e-2, weight_decay=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        logits = early_logits(weights, task.inputs, activation=activation)[:, -1]
        F.cross_entropy(logits, task.labels).backward()
        optimiser.step()
    return {name: value.detach() for name, value in weights.items()}


def test_an_activation_that_the_file_does_not_tell_is_judged(early_file):
    """SiLU is not his, and the weights show it: judged as of any state dict, on the task that they answer."""
    weights = trained_early(F.silu)
    run = gi.load(early_file({"model": weights}))
    assert run.task.expression == "a + b"
    (activation,) = [each for each in run.assumptions if each.what.startswith("activation=")]
    assert activation.how in ("inferred", "tied") and "silu" in str(activation)
    if activation.how == "inferred":
        assert run.final.config.activation == "silu"
        logits = early_logits(weights, run.task.inputs, activation=F.silu)[:, -1]
        torch.testing.assert_close(run.final.model()(run.task.inputs)[:, -1], logits, rtol=1e-3, atol=1e-3)
    stated = gi.load(early_file({"model": weights}), activation="gelu")
    assert stated.final.config.activation == "gelu" and how(stated)["activation=gelu"] == "stated"


def test_weights_that_answer_nothing_leave_the_activation_assumed(early_file):
    """Initial weights bear no reading out: ReLU, and the word for it; without a task nothing is there to judge by."""
    small = {name: value * (1 if name.endswith("mask") else 0.1) for name, value in early_weights().items()}
    run = gi.load(early_file({"model": small, "config": {"p": 5, "fn_name": "add"}}))
    assert how(run)["activation=relu"] == "assumed" and run.final.config.activation == "relu"
    assert how(gi.load(early_file({"model": small})))["activation=relu"] == "assumed"


def test_an_option_that_the_weights_cannot_be_is_refused(early_file):
    """Norms of a model that has no weights of them, where the code folds none, and an MLP's option."""
    for stated, named in (({"final_norm": True}, "final_norm=True"), ({"combine": "add"}, "has no combine")):
        with pytest.raises(gi.BadRequest, match=named) as refusal:
            gi.load(early_file({"model": early_weights()}), **stated)
        assert "\n" not in str(refusal.value)
