"""Updates against what each optimiser's own equations give."""

import math
import sys

import pytest
import torch

from grokinterp.config import OptimiserConfig
from grokinterp.training.optimiser import Optimiser


def optimiser(parameters, steps=100, **fields) -> Optimiser:
    return Optimiser(OptimiserConfig(**fields), parameters, steps=steps)


def weights(*values: float) -> dict[str, torch.Tensor]:
    return {"w": torch.tensor(values, dtype=torch.float64).requires_grad_()}


def update(opt: Optimiser, gradient: list[float], step: int) -> None:
    opt.parameters[0].grad = torch.tensor(gradient, dtype=torch.float64)
    opt.step(step)


def test_warm_up_starts_at_rate_zero():
    """The first update of a warm-up leaves the weights: Nanda's losses[0] == losses[1]."""
    parameters = weights(1.0, -2.0)
    opt = optimiser(parameters, warmup_steps=10)
    update(opt, [1.0, 1.0], 0)
    assert parameters["w"].tolist() == [1.0, -2.0]
    assert [opt.learning_rate(s) for s in (0, 5, 10, 99)] == pytest.approx([0, 5e-4, 1e-3, 1e-3])


def test_cosine_ends_at_its_final_share():
    """A cosine goes from lr to lr_final * lr, through their mean half-way."""
    opt = optimiser(weights(1.0), steps=100, warmup_steps=0, lr_schedule="cosine", lr_final=0.1)
    assert [opt.learning_rate(s) for s in (0, 50, 100)] == pytest.approx([1e-3, 0.55e-3, 1e-4])


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("kind", ["to_zero", "to_init"])
def test_decoupled_decay_without_gradient(name, kind):
    """With zero gradients only decay acts: (1 - lr wd)^n towards zero, or towards the initial weights."""
    parameters = weights(3.0, -1.0)
    opt = optimiser(parameters, optimiser=name, lr=0.1, weight_decay=0.5, decay_kind=kind, warmup_steps=0)
    with torch.no_grad():
        parameters["w"].mul_(2)
    for step in range(4):
        update(opt, [0.0, 0.0], step)
    shrunk = 0.95**4
    expected = [6 * shrunk, -2 * shrunk] if kind == "to_zero" else [3 + 3 * shrunk, -1 - 1 * shrunk]
    assert parameters["w"].tolist() == pytest.approx(expected)


def test_gradient_decay_is_l2():
    """SGD's own decay is the gradient of wd/2 |w|^2: one step gives w - lr (g + wd w)."""
    parameters = weights(2.0)
    opt = optimiser(parameters, optimiser="sgd", lr=0.1, weight_decay=0.5, warmup_steps=0)
    update(opt, [1.0], 0)
    assert parameters["w"].item() == pytest.approx(2 - 0.1 * (1 + 0.5 * 2))


def test_jiggle_keeps_the_sign_and_the_mean_logarithm():
    """exp(lr wd N(0, 1)) multiplies each weight: signs stay, log-ratios have mean 0 and deviation lr wd."""
    parameters = {"w": torch.ones(20_000, dtype=torch.float64).requires_grad_()}
    opt = optimiser(parameters, optimiser="sgd", lr=0.1, weight_decay=2.0, decay_kind="jiggle", warmup_steps=0)
    parameters["w"].grad = torch.zeros(20_000, dtype=torch.float64)
    opt.step(0)
    logs = parameters["w"].detach().log()
    assert abs(logs.mean()) < 0.005
    assert logs.std().item() == pytest.approx(0.2, rel=0.03)


def test_fixed_norm_holds():
    """Omnigrok's constraint: the norm of all weights together is the initial one after every update."""
    parameters = weights(3.0, 4.0) | {"v": torch.tensor([12.0], dtype=torch.float64).requires_grad_()}
    opt = optimiser(parameters, weight_decay=0.0, fixed_norm=True, warmup_steps=0, lr=0.5)
    for step in range(5):
        parameters["v"].grad = torch.tensor([1.0], dtype=torch.float64)
        update(opt, [1.0, -1.0], step)
    norm = math.sqrt(sum(p.detach().pow(2).sum().item() for p in parameters.values()))
    assert norm == pytest.approx(13.0)
    assert parameters["w"].tolist() != [3.0, 4.0]


def test_grokfast_ema_amplifies_a_constant_gradient_by_one_plus_lambda():
    """The running mean of a constant gradient is that gradient, from the first step on."""
    parameters = weights(0.0)
    opt = optimiser(parameters, optimiser="sgd", lr=1.0, weight_decay=0.0, warmup_steps=0, grokfast="ema")
    for step in range(3):
        update(opt, [1.0], step)
    assert parameters["w"].item() == pytest.approx(-3 * (1 + 2.0))


def test_grokfast_ema_follows_its_recurrence():
    """m <- a m + (1 - a) g, m starting at the first g; the update uses g + lambda m."""
    parameters = weights(0.0)
    fields = {"grokfast": "ema", "grokfast_alpha": 0.8, "grokfast_lambda": 3.0}
    opt = optimiser(parameters, optimiser="sgd", lr=1.0, weight_decay=0.0, warmup_steps=0, **fields)
    m, expected = 2.0, 0.0
    for step, g in enumerate([2.0, -4.0, 1.0]):
        m = 0.8 * m + 0.2 * g
        expected -= g + 3.0 * m
        update(opt, [g], step)
    assert parameters["w"].item() == pytest.approx(expected)


def test_grokfast_ma_waits_for_a_full_window():
    """Plain gradients until the window is full, then g + lambda * (mean of the last w gradients)."""
    parameters = weights(0.0)
    fields = {"grokfast": "ma", "grokfast_window": 3, "grokfast_lambda": 5.0}
    opt = optimiser(parameters, optimiser="sgd", lr=1.0, weight_decay=0.0, warmup_steps=0, **fields)
    gradients, expected = [1.0, 2.0, 6.0, -3.0], 0.0
    for step, g in enumerate(gradients):
        mean = sum(gradients[step - 2 : step + 1]) / 3 if step >= 2 else 0.0
        expected -= g + 5.0 * mean
        update(opt, [g], step)
    assert parameters["w"].item() == pytest.approx(expected)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"optimiser": "adam"},
        {"optimiser": "sgd"},
        {"optimiser": "sgd", "momentum": 0.9},
        {"grokfast": "ema"},
        {"grokfast": "ma", "grokfast_window": 2},
        {"decay_kind": "to_init"},
        {"decay_kind": "jiggle"},
        {"fixed_norm": True},
        {"update_noise": 0.1},
        {"optimiser": "muon"},
        {"perpendicular_gradient": True},
        {"norm_multiple": 0.8, "norm_from_step": 6},
    ],
    ids=str,
)
def test_state_continues_bit_for_bit(fields):
    """Saving and loading in the middle gives the very numbers of an uninterrupted run."""
    gradients = torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).tolist()
    whole, first = weights(1.0, 2.0, 3.0), weights(1.0, 2.0, 3.0)
    reference, interrupted = optimiser(whole, **fields), optimiser(first, **fields)
    for step, g in enumerate(gradients):
        update(reference, g, step)
        if step < 4:
            update(interrupted, g, step)
    second = {"w": first["w"].detach().clone().requires_grad_()}
    resumed = optimiser(second, **fields)
    resumed.load_state(interrupted.state())
    for step in range(4, 8):
        update(resumed, gradients[step], step)
    assert torch.equal(second["w"], whole["w"])


def test_weight_noise_is_of_the_forward_pass_only():
    """Fresh normal noise on what trains, of the given size; the gradient reaches the clean weights, which stay."""
    trained, frozen = torch.zeros(20_000, requires_grad=True), torch.zeros(3)
    opt = optimiser({"w": trained}, optimiser="sgd", lr=0.1, weight_decay=0.0, warmup_steps=0, weight_noise=0.5)
    first, second = opt.noisy({"w": trained, "f": frozen}), opt.noisy({"w": trained, "f": frozen})
    assert first["f"] is frozen and not torch.equal(first["w"], second["w"])
    assert first["w"].std().item() == pytest.approx(0.5, rel=0.05) and not trained.any()
    first["w"].square().sum().backward()
    torch.testing.assert_close(trained.grad, 2 * first["w"].detach())
    opt.step(0)
    torch.testing.assert_close(trained.detach(), -0.2 * first["w"].detach())
    assert optimiser({"w": trained}).noisy({"w": trained})["w"] is trained


def test_update_noise_has_the_size_of_the_rate():
    """Without gradients a weight moves by N(0, (lr update_noise)^2): the noise is on the update, not on the weight."""
    parameters = {"w": torch.zeros(40_000, requires_grad=True)}
    opt = optimiser(parameters, optimiser="sgd", lr=0.02, weight_decay=0.0, warmup_steps=0, update_noise=0.5)
    parameters["w"].grad = torch.zeros(40_000)
    opt.step(0)
    moved = parameters["w"].detach()
    assert moved.std().item() == pytest.approx(0.02 * 0.5, rel=0.02)
    assert abs(moved.mean().item()) < 4 * 0.01 / 200


@pytest.mark.parametrize(
    ("fields", "own"),
    [
        ({"optimiser": "adamw"}, lambda p: torch.optim.AdamW(p, lr=0.1, betas=(0.7, 0.95), eps=0.3, weight_decay=0.5)),
        (
            {"optimiser": "adamw", "decay_kind": "gradient"},
            lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.7, 0.95), eps=0.3, weight_decay=0.5),
        ),
        (
            {"optimiser": "adam"},
            lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.7, 0.95), eps=0.3, weight_decay=0.5),
        ),
        ({"optimiser": "sgd"}, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.6, weight_decay=0.5)),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_updates_are_those_of_torch_with_the_settings_given(fields, own):
    """Betas, epsilon, momentum and decay, each far from its default, over a warm-up: torch's own optimiser by hand."""
    parameters, expected = weights(1.0, -2.0), torch.tensor([1.0, -2.0], dtype=torch.float64).requires_grad_()
    settings = {"lr": 0.1, "beta1": 0.7, "beta2": 0.95, "eps": 0.3, "momentum": 0.6, "weight_decay": 0.5}
    opt, reference = optimiser(parameters, **settings, warmup_steps=3, **fields), own([expected])
    for step, gradient in enumerate([[1.0, 0.5], [-0.3, 2.0], [0.7, -1.0], [0.2, 0.1], [2.0, 0.0]]):
        update(opt, gradient, step)
        reference.param_groups[0]["lr"] = 0.1 * min(step / 3, 1)
        expected.grad = torch.tensor(gradient, dtype=torch.float64)
        reference.step()
    torch.testing.assert_close(parameters["w"], expected)


@pytest.mark.parametrize("kind", ["to_zero", "to_init"])
def test_decay_has_the_rate_of_its_step(kind):
    """Half-way through a warm-up half of the decay: 1 - lr wd step / warmup of what is above its goal is left."""
    parameters = weights(3.0)
    opt = optimiser(parameters, optimiser="sgd", lr=0.1, weight_decay=0.5, decay_kind=kind, warmup_steps=4)
    with torch.no_grad():
        parameters["w"].mul_(2)
    for step in range(3):
        update(opt, [0.0], step)
    goal, left = (0.0 if kind == "to_zero" else 3.0), (1 - 0.05 / 4) * (1 - 0.05 / 2)
    assert parameters["w"].item() == pytest.approx(goal + (6 - goal) * left)


@pytest.mark.parametrize("fields", [{"update_noise": 1.0}, {"weight_noise": 1.0}, {"decay_kind": "jiggle"}], ids=str)
def test_noise_follows_the_seed(fields):
    """Two optimisers of one seed draw the same noise, one of another seed other noise."""
    drawn = []
    for seed in (1, 1, 2):
        parameters = weights(1.0, 2.0)
        settings = OptimiserConfig(optimiser="sgd", lr=0.1, weight_decay=1.0, warmup_steps=0, **fields)
        opt = Optimiser(settings, parameters, steps=10, seed=seed)
        seen = opt.noisy(parameters)["w"].tolist()
        update(opt, [0.0, 0.0], 0)
        drawn.append([*seen, *parameters["w"].tolist()])
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "muon"])
def test_no_update_waits_for_torch_compile(name, monkeypatch):
    """Its import takes longer than a small training, and whatever trains would begin with it."""
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    parameters = weights(1.0, -2.0)
    update(optimiser(parameters, optimiser=name, warmup_steps=0), [1.0, 1.0], 0)
    assert parameters["w"].tolist() != [1.0, -2.0] and parameters["w"].grad is None


def test_the_norm_is_held_at_its_multiple_from_its_step_on():
    """From the third update on at 0.8 times the initial norm, 5; before, plain descent moves it."""
    parameters = weights(3.0, 4.0)
    opt = optimiser(
        parameters, optimiser="sgd", lr=0.1, weight_decay=0.0, warmup_steps=0, norm_multiple=0.8, norm_from_step=2
    )
    norms = []
    for step in range(4):
        update(opt, [-3.0, -4.0], step)
        norms.append(parameters["w"].norm().item())
    assert norms == pytest.approx([5.5, 6.0, 4.0, 4.0])


def test_the_perpendicular_gradient_leaves_the_norm_to_second_order():
    """Of (1, 2) at (3, 4) the part along the weights, 11/25 of them, is taken out: (-8, 6) / 25 is left."""
    parameters = weights(3.0, 4.0)
    fields = dict(optimiser="sgd", lr=0.1, weight_decay=0.0, warmup_steps=0, perpendicular_gradient=True)
    update(optimiser(parameters, **fields), [1.0, 2.0], 0)
    assert parameters["w"].tolist() == pytest.approx([3.0 + 0.1 * 8 / 25, 4.0 - 0.1 * 6 / 25])
    zero = weights(0.0, 0.0)  # has no direction
    update(optimiser(zero, **fields), [1.0, 1.0], 0)
    assert zero["w"].tolist() == pytest.approx([-0.1, -0.1])


def test_muon_is_torch_s_on_every_matrix_of_the_blocks_and_adamw_on_the_rest():
    """Two heads are two matrices; the embedding and a bias get what AdamW gives; momentum is kept in between."""
    shapes = {
        "blocks.0.attn.W_Q": (2, 6, 3),
        "blocks.0.mlp.W_in": (4, 6),
        "blocks.0.mlp.b_in": (6,),
        "embed.W_E": (5, 4),
    }
    parameters = {name: torch.randn(shape).requires_grad_() for name, shape in shapes.items()}
    copies = {name: p.detach().clone() for name, p in parameters.items()}
    matrices = [*copies["blocks.0.attn.W_Q"], copies["blocks.0.mlp.W_in"]]
    others = [copies["blocks.0.mlp.b_in"], copies["embed.W_E"]]
    opt = optimiser(parameters, optimiser="muon", lr=0.1, weight_decay=0.5, warmup_steps=0)
    muon = torch.optim.Muon(matrices, lr=0.1, weight_decay=0.5, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, lr=0.1, weight_decay=0.5, betas=(0.9, 0.98))
    for step in range(3):
        gradients = {name: torch.randn(shape) for name, shape in shapes.items()}
        for name, p in parameters.items():
            p.grad = gradients[name].clone()
        opt.step(step)
        for p, g in zip(matrices, [*gradients["blocks.0.attn.W_Q"], gradients["blocks.0.mlp.W_in"]], strict=True):
            p.grad = g
        others[0].grad, others[1].grad = gradients["blocks.0.mlp.b_in"], gradients["embed.W_E"]
        muon.step()
        adamw.step()
    for name, p in parameters.items():
        torch.testing.assert_close(p.detach(), copies[name])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"norm_multiple": 0.0}, "must be positive"),
        ({"norm_multiple": 1.2, "fixed_norm": True}, "leave one out"),
        ({"norm_from_step": 5}, "none is"),
        ({"optimiser": "muon", "decay_kind": "gradient"}, "decay_kind='to_zero'"),
    ],
    ids=str,
)
def test_what_cannot_be_held_is_refused(fields, says):
    with pytest.raises(ValueError, match=says):
        OptimiserConfig(**fields)
