"""Key frequencies of planted circuits are exactly those planted; noise, memories and dead neurons are none."""

import pytest
import torch

from grokinterp import fourier
from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.key_frequencies import KeyFrequencies, neuron_shares
from grokinterp.analysis.periodicity import Periodicity
from grokinterp.config import EmbeddingMLPConfig
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.tasks import Task


def key_of(snapshot: Snapshot) -> KeyFrequencies:
    wave = Wave.of(snapshot.task)
    assert wave is not None
    return KeyFrequencies.of(snapshot, wave)


@pytest.mark.parametrize(
    ("p", "expression", "frequencies"),
    [
        (11, "a + b", (2, 5)),
        (29, "a + b", (1, 4, 11)),
        (13, "a - b", (3, 6)),
        (12, "a + b", (1, 6)),  # composite and even: 6 is the Nyquist frequency
        (15, "a + b", (3, 7)),
        (13, "a*b", (2, 5)),
        (19, "a*b", (4, 9)),  # 9 is the Legendre symbol
    ],
)
def test_the_planted_frequencies_are_key(planted, p, expression, frequencies):
    """A clock's neurons, logits and embedding agree on its frequencies, and each simple rule finds them too."""
    found = key_of(planted.clock(p, frequencies, expression=expression))
    assert found.key == frequencies
    assert found.by_rule == {"embedding": frequencies, "logits": frequencies, "neurons": frequencies}
    assert float(found.logit_share.sum()) == pytest.approx(1, abs=1e-5)
    assert found.embedding_ratio.amax() == 1


def test_a_pizza_has_key_frequencies(planted):
    """cos(w_k(a + b - c)) is the mean over a - b of a pizza's logits, so that its frequencies show."""
    assert key_of(planted.pizza(29, (2, 5))).key == (2, 5)


@pytest.mark.parametrize("expression", ["a + b", "a*b"])
def test_an_untrained_model_has_none(planted, expression):
    """Every neuron is tuned to something, by chance, and embeddings have every frequency: simple rules see keys."""
    found = key_of(planted.untrained(29, expression=expression))
    assert found.key == ()
    assert len(found.by_rule["neurons"]) > 5 and len(found.by_rule["embedding"]) > 5


def test_remembering_is_no_frequency():
    """A table of remembered rows gives every cos(w_k(a + b - c)) the same share of the logits, and none is key."""
    task = Task("a + b", p=23, layout="a b").split(frac=0.3, seed=0)
    rows = task.operands[task.is_train]
    one_hot = torch.eye(23)[rows]
    config = EmbeddingMLPConfig(d_embed=23, hidden_sizes=(len(rows),), unembed_bias=False)
    parameters = {
        "embed.W_E": torch.eye(23),
        "blocks.0.mlp.W_in": torch.cat([one_hot[:, 0].T, one_hot[:, 1].T]),
        "blocks.0.mlp.b_in": -torch.ones(len(rows)),
        "unembed.W_U": 20 * torch.eye(23)[task.labels[task.is_train]],
    }
    snapshot = Snapshot(0, config.resolved(task.n_vocab, task.n_answers, 2), task, parameters)
    assert snapshot.loss(snapshot.logits, task.is_train) < 1e-6
    found = key_of(snapshot)
    assert found.by_rule["logits"] == tuple(range(1, 12))
    assert found.key == ()


def lookup(p: int, expression: str = "a + b", frac: float = 0.4) -> Snapshot:
    """A neuron for each training row and its swap that fires for it alone; the embedding stands on circles."""
    task = Task(expression, p=p, layout="a b").split(frac=frac, seed=0)
    rows = task.operands[~task.is_unswapped_test]
    waves = fourier.basis(p).float()
    pairs = waves.T[rows]
    config = EmbeddingMLPConfig(d_embed=p, hidden_sizes=(len(rows),), unembed_bias=False)
    parameters = {
        "embed.W_E": waves.T.contiguous(),
        "blocks.0.mlp.W_in": torch.cat([pairs[:, 0].T, pairs[:, 1].T]),
        "blocks.0.mlp.b_in": -torch.ones(len(rows)),
        "unembed.W_U": 20 * torch.eye(p)[task.labels[~task.is_unswapped_test]],
    }
    return Snapshot(0, config.resolved(task.n_vocab, task.n_answers, 2), task, parameters)


@pytest.mark.parametrize(("p", "expression"), [(5, "a + b"), (7, "a - b"), (13, "a + b"), (13, "a - b"), (59, "a + b")])
def test_a_table_of_the_training_rows_has_no_key_frequency(p, expression):
    """At every size: also where there are too few frequencies to tell one from the others by a quartile."""
    snapshot = lookup(p, expression)
    assert snapshot.loss(snapshot.logits, snapshot.task.is_train) < 1e-6
    evidence = key_of(snapshot)
    assert evidence.key == ()
    # It is its own null: the logits of its wrong answers are in no order to begin with.
    torch.testing.assert_close(evidence.logit_share, evidence.lookup_share, rtol=1e-3, atol=1e-6)


def test_the_null_is_the_mean_over_orders_of_the_wrong_answers(planted):
    """Of a clock: its own logits, put in any order but for the right one of rows trained on."""
    clock = planted.clock(13, (2, 5))
    task = clock.task.split(frac=0.4, seed=0)
    clock = Snapshot(0, clock.config, task, clock.parameters)
    wave, n = Wave.of(task), 13
    evidence = key_of(clock)
    kept = ~task.is_unswapped_test
    shares = []
    for _ in range(300):
        order = torch.rand(n * n, n).argsort(1)
        logits = clock.logits.gather(1, order)
        # Put the right one back where the row is remembered: it changes places with what stands there.
        rows, labels = kept.nonzero()[:, 0], task.labels[kept]
        right = clock.logits[rows, labels]
        at = (order[rows] == labels[:, None]).long().argmax(1)
        logits[rows, at] = logits[rows, labels]
        logits[rows, labels] = right
        shares.append(Periodicity.of(logits, wave).coefficient)
    mean = torch.stack(shares).mean(0).square() / Periodicity.of(clock.logits, wave).variance
    torch.testing.assert_close(mean, evidence.lookup_share, rtol=0.1, atol=1e-4)
    assert evidence.key == (2, 5) and float(evidence.lookup_share.max()) < 0.1


@pytest.mark.parametrize("p", [5, 7, 11, 13])
def test_noise_has_no_key_frequency_in_small_tables(planted, p):
    """Untrained networks, where every share is large because there are few."""
    assert key_of(planted.untrained(p)).key == ()


def test_a_frequency_of_the_embedding_alone_is_not_key(planted):
    """An unused circle in the embedding, which the demo's rule takes, is left out."""
    snapshot = planted.clock(29, (2, 5))
    parameters = dict(snapshot.parameters)
    unused = fourier.wave_rows(29, [9]).T.float() * 3
    parameters["embed.W_E"] = torch.cat([parameters["embed.W_E"], unused], 1)
    W_a, W_b = parameters["blocks.0.mlp.W_in"].chunk(2)
    zeros = torch.zeros(2, W_a.shape[1])
    parameters["blocks.0.mlp.W_in"] = torch.cat([W_a, zeros, W_b, zeros])
    config = EmbeddingMLPConfig(
        d_embed=parameters["embed.W_E"].shape[1],
        hidden_sizes=(W_a.shape[1],),
        mlp_bias=False,
        unembed_bias=False,
    ).resolved(29, 29, 2)
    found = key_of(Snapshot(0, config, snapshot.task, parameters))
    assert found.key == (2, 5) and 9 in found.by_rule["embedding"]


@pytest.mark.parametrize("n", [7, 8])
def test_neuron_shares_are_those_of_the_two_dimensional_block(n):
    """Nanda et al.'s 3x3 block {const, cos k, sin k}^2 of the centred neuron's coefficients, over all its squares."""
    grid = torch.randn(n, n, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 3
    share, variance = neuron_shares(grid)
    squares = fourier.transform(grid - grid.mean((0, 1)), (0, 1)).square()
    torch.testing.assert_close(variance, squares.sum((0, 1)))
    for k in range(1, n // 2 + 1):
        rows = [row for row in (0, 2 * k - 1, 2 * k) if row < n]
        torch.testing.assert_close(share[k - 1], squares[rows][:, rows].sum((0, 1)) / squares.sum((0, 1)))


def test_constant_neurons_have_no_share():
    """Dead neurons, and ones that are always on, explain nothing of anything, without a division by zero."""
    share, variance = neuron_shares(torch.tensor([0.0, 0.1, 1e4]).expand(7, 7, 3))
    assert not share.any() and not variance.any()


def test_nandas_model_has_the_five_published_frequencies(released):
    """The weight decay 0.1 run uses 6, 23, 37, 39, 41; the simple rules on neurons and embedding add noise to them."""
    found = key_of(Snapshot(released.final.step, released.final.config, released.task, released.final.parameters))
    assert found.key == (6, 23, 37, 39, 41)
    assert found.by_rule["neurons"] == (3, 6, 12, 23, 31, 37, 39, 41, 46, 54)
    assert set(found.by_rule["embedding"]) > set(found.key)


def rescaled(snapshot: Snapshot, neurons: float = 1.0, embedding: float = 1.0, answers: float = 1.0) -> Snapshot:
    """A clock of two frequencies whose second has neurons and embedding times these, and the same logits.

    ReLU lets a factor through: what the neurons gain, W_U loses; `answers` multiplies the second's part of the logits.
    """
    parameters = {name: value.clone() for name, value in snapshot.parameters.items()}
    W_E, W_in, W_U = (parameters[name] for name in ("embed.W_E", "blocks.0.mlp.W_in", "unembed.W_U"))
    d, width = W_E.shape[1], (W_U.shape[0] - 1) // 2
    W_E[:, 2:4] *= embedding
    for operand in (0, d):
        W_in[operand + 2 : operand + 4] *= neurons / embedding
    W_U[width : 2 * width] *= answers / neurons
    return Snapshot(0, snapshot.config, snapshot.task, parameters)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"neurons": 0.15}, (2, 5)),  # about 2 % of the neurons' variance
        ({"neurons": 0.01}, (2,)),  # a hundredth of a percent, though each neuron by itself is tuned perfectly
        ({"embedding": 0.4}, (2, 5)),
        ({"embedding": 0.2}, (2,)),
        ({"answers": -1.0}, (2,)),  # the wave is there, and points away from the answer
    ],
)
def test_each_criterion_has_its_own_threshold(planted, changes, key):
    """Neurons by their share of variance, the embedding by its norm, logits by their share with its sign."""
    clock = planted.clock(11, (2, 5))
    snapshot = rescaled(clock, **changes)
    found = key_of(snapshot)
    if "answers" not in changes:
        torch.testing.assert_close(snapshot.logits, clock.logits, atol=1e-3, rtol=0)
    assert found.key == key
    assert found.embedding_ratio[4].item() == pytest.approx(changes.get("embedding", 1.0), rel=1e-5)
    share = changes.get("neurons", 1.0) ** 2
    # The third harmonic of frequency 2 is 6, the same wave as 5: a thousandth of the variance.
    assert (found.neuron_share[4] / found.neuron_share[1]).item() == pytest.approx(share, abs=2e-3)
    assert found.logit_share[4].item() == pytest.approx(0.5 * changes.get("answers", 1.0), abs=1e-3)


def test_the_demos_rule_measures_against_the_constant_too(planted):
    """A mean over tokens four times as large as a circle hides all circles from it, and none from the criteria."""
    clock = planted.clock(11, (2, 5))
    parameters = dict(clock.parameters)
    parameters["embed.W_E"] = clock.parameters["embed.W_E"].clone()
    parameters["embed.W_E"][:, -1] = 4.0  # read by the neuron of the zeros alone, whose weights go
    parameters["blocks.0.mlp.W_in"] = parameters["blocks.0.mlp.W_in"].clone()
    parameters["blocks.0.mlp.W_in"][:, -1] = 0
    found = key_of(Snapshot(0, clock.config, clock.task, parameters))
    assert found.by_rule["embedding"] == () and found.key == (2, 5)


def of_waves(planted, n: int, shares: dict[int, float]) -> KeyFrequencies:
    """Of logits with these shares of their variance in cos(w_k(a + b - c)), the rest in what no criterion sees.

    A neuron for each row reads a one-hot embedding, so that neurons and embedding have all frequencies alike.
    """
    task = Task("a + b", p=n, layout="a b")
    a, b = task.operands.T
    angle = lambda k, place: 2 * torch.pi * k / n * place.double()
    unit = lambda wave: wave / wave.norm()
    c = torch.arange(n)
    rest = unit(angle(1, a - b).cos()[:, None] * angle(1, c).cos())
    logits = (1 - sum(shares.values())) ** 0.5 * rest
    for k, share in shares.items():
        logits = logits + share**0.5 * unit(angle(k, (a + b)[:, None] - c).cos())
    found = key_of(planted.answering(task, 100 * logits))
    assert found.logit_share[[k - 1 for k in shares]].tolist() == pytest.approx(list(shares.values()), rel=1e-4)
    return found


@pytest.mark.parametrize(
    ("n", "below", "above", "key"),
    [
        (17, {3: 0.0049}, {3: 0.0051}, (3,)),  # LOGIT_SHARE
        (17, {3: 0.039} | dict.fromkeys((1, 2, 4, 5, 6, 7, 8), 0.01), {3: 0.041}, (3,)),  # LOGIT_CONTRAST
        (7, {2: 0.0362}, {2: 0.0372}, (2,)),  # NOISE / (7^2 6) = .0367
        # Six like waves and a smaller seventh: a memory would have 4 (6 + x)^2 / 18^2 of one, x the root of the ratio.
        (19, dict.fromkeys(range(1, 7), 0.1) | {7: 0.0145}, {7: 0.012}, (1, 2, 3, 4, 5, 6)),  # LOOKUP_RATIO
    ],
)
def test_each_null_of_the_logits_has_its_own_threshold(planted, n, below, above, key):
    """On either side of each, with all other criteria fulfilled."""
    assert of_waves(planted, n, below).key == ()
    assert of_waves(planted, n, below | above).key == key


@pytest.mark.parametrize(("n", "key"), [(15, (3,)), (17, ())])
def test_a_background_is_asked_of_eight_frequencies_on(planted, n, key):
    """Three times all others: too little contrast where there are eight of them; of seven no quartile is taken."""
    shares = dict.fromkeys(range(1, n // 2 + 1), 0.01) | {3: 0.03}
    assert of_waves(planted, n, shares).key == key


def test_a_neuron_is_constant_up_to_a_hundred_thousandth():
    """Waves of a standard deviation just below and above that share of the mean."""
    wave = (2 * torch.pi / 7 * torch.arange(7).double()).cos().expand(7, 7) * 2**0.5
    _, variance = neuron_shares(torch.stack([1 + 0.9e-5 * wave, 1 + 1.1e-5 * wave, 1e-9 * wave], -1))
    assert (variance > 0).tolist() == [False, True, True]
