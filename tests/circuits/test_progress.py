"""A clock is its key waves and nothing else: restricted = full loss, excluded = ln p; and the published numbers."""

import json
import math

import numpy as np
import pytest
import torch
import xarray as xr
from torch.nn import functional as F

from grokinterp import fourier
from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.periodicity import coefficients
from grokinterp.circuits import progress
from grokinterp.config import TransformerConfig
from grokinterp.evaluation.losses import cross_entropy
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.tasks import Task

CLOCKS = [(11, (2, 5), "a + b"), (12, (1, 6), "a + b"), (13, (2, 5), "a - b"), (13, (2, 5), "a*b"), (19, (4, 9), "a*b")]

# Nanda et al. 2023, mainline run, digitised from the figures of their repository: step, trig loss, excluded loss (2D).
MAINLINE = np.array(
    [
        (0, 4.78, 4.77),
        (500, 4.05, 0.71),
        (1000, 3.36, 0.34),
        (1400, 3.05, 0.316),
        (2000, 2.65, 0.39),
        (4000, 1.83, 1.04),
        (6000, 1.01, 3.31),
        (8000, 0.30, 7.14),
        (9400, 0.0097, 11.7),
        (10000, 1.6e-4, 13.4),
        (11000, 6.3e-7, 11.4),
        (12000, 2.7e-8, 9.05),
        (14000, 4.2e-8, 6.18),
        (20000, 5.1e-8, 5.90),
        (39000, 5.5e-8, 5.98),
    ]
)


def read(snapshot: Snapshot, **fields) -> xr.Dataset:
    return progress.Progress(**fields).fit(snapshot).read(snapshot)


def loss_on_the_cycle(logits: torch.Tensor, task: Task, rows: torch.Tensor) -> float:
    """Cross-entropy over the answers that occur where no operand of a product is 0; of a sum, over all of them."""
    on = Wave.of(task).is_on
    classes = task.labels[on].unique()
    return cross_entropy(logits[rows][:, classes], torch.searchsorted(classes, task.labels[rows])).item()


def test_an_answer_that_no_row_has_is_no_class(planted):
    """Of a product nothing but a zero gives 0. However large its logit is elsewhere, no loss on the cycle sees it."""
    clock = planted.clock(11, (2, 5), expression="a*b")
    answers = clock.parameters["unembed.W_U"].clone()
    answers[:-1, 0] += 3.0  # by every neuron but that of the zeros
    haunted = Snapshot(0, clock.config, clock.task, {**clock.parameters, "unembed.W_U": answers})
    assert haunted.loss(haunted.logits) > clock.loss(clock.logits) + 1
    before, after = read(clock), read(haunted)
    for name in before.data_vars:
        if name != "excluded_accuracy":  # of logits that are all rounding
            np.testing.assert_allclose(after[name], before[name], rtol=1e-4, atol=1e-7, err_msg=name)
    for name in ("excluded_loss", "excluded_loss_3d", "excluded_loss_mlp"):
        assert float(after[name]) == pytest.approx(math.log(10), rel=1e-4)
    full = loss_on_the_cycle(haunted.logits, haunted.task, Wave.of(haunted.task).is_on)
    assert float(after.restricted_loss) == pytest.approx(full, rel=1e-4)


@pytest.mark.parametrize(("p", "frequencies", "expression"), CLOCKS)
def test_a_clock_is_its_key_waves(planted, p, frequencies, expression):
    """With them alone the loss is the full loss; without them all answers are equally likely, in every form."""
    snapshot = planted.clock(p, frequencies, expression=expression)
    wave = Wave.of(snapshot.task)
    found = read(snapshot)
    assert found.k.values[found.is_key.values].tolist() == list(frequencies)
    on_test = ~snapshot.task.is_train & wave.is_on
    full, full_test = (loss_on_the_cycle(snapshot.logits, snapshot.task, rows) for rows in (wave.is_on, on_test))
    for name in ("restricted_loss", "trig_loss"):
        assert float(found[name]) == pytest.approx(full, rel=1e-4)
    for name in ("restricted_test_loss", "restricted_loss_mlp"):
        assert float(found[name]) == pytest.approx(full_test, rel=1e-4)
    for name in ("excluded_loss", "excluded_loss_3d", "excluded_loss_mlp"):
        assert float(found[name]) == pytest.approx(math.log(wave.cycle), rel=1e-4)


@pytest.mark.parametrize("expression", ["a + b", "a*b"])
def test_without_one_wave_the_others_are_left(planted, expression):
    """Excluding k of a clock with the waves K gives the loss of a clock with K less k; NaN off the key set."""
    found = read(planted.clock(13, (2, 5), expression=expression)).excluded_loss_by_frequency
    assert found.k.values[~np.isnan(found.values)].tolist() == [2, 5]
    for k, other in ((2, 5), (5, 2)):
        rest = planted.clock(13, (other,), expression=expression)
        rows = rest.task.is_train & Wave.of(rest.task).is_on
        assert float(found.sel(k=k)) == pytest.approx(loss_on_the_cycle(rest.logits, rest.task, rows), rel=1e-4)


def test_the_full_forms_remove_every_frequency(planted):
    """They are the excluded losses of a key set of all frequencies, whatever the key set is."""
    snapshot = planted.clock(11, (2, 5))
    found, every = read(snapshot, frequencies=(2,)), read(snapshot, frequencies=(1, 2, 3, 4, 5))
    for name in ("excluded_loss", "excluded_loss_3d"):
        assert float(found[f"{name}_full"]) == pytest.approx(float(every[name]))
        assert float(found[f"{name}_full"]) > float(found[name]) + 0.1


def test_other_waves_are_not_the_clocks(planted):
    """With the wrong waves alone every answer is as likely; without them nothing has changed."""
    snapshot = planted.clock(11, (2, 5))
    found = read(snapshot, frequencies=(1, 3))
    assert float(found.restricted_loss) == pytest.approx(math.log(11), rel=1e-5)
    train = snapshot.loss(snapshot.logits, snapshot.task.is_train)
    assert float(found.excluded_loss) == pytest.approx(train, rel=1e-3)
    assert float(found.excluded_accuracy) == 1


def test_without_key_frequencies_the_losses_are_those_of_the_mean_and_the_whole(planted):
    """Early in training: restricted = loss of the mean logits, excluded = train loss."""
    snapshot = planted.untrained(11)
    found = read(snapshot)
    assert not found.is_key.any() and np.isnan(found.excluded_loss_by_frequency).all()
    mean = snapshot.logits.mean(0).expand(121, 11)
    assert float(found.restricted_loss) == pytest.approx(snapshot.loss(mean), rel=1e-6)
    train = snapshot.loss(snapshot.logits, snapshot.task.is_train)
    for name in ("excluded_loss", "excluded_loss_3d", "excluded_loss_mlp"):
        assert float(found[name]) == pytest.approx(train, rel=1e-6)


@pytest.mark.parametrize(("expression", "p"), [("a + b", 7), ("a - b", 8), ("a*b", 7), ("a / b", 7)])
def test_the_forms_are_those_of_the_definitions(planted, expression, p):
    """Against projections written out on the whole table, for an untrained transformer and any frequencies."""
    snapshot, key = planted.untrained(p, expression=expression), [1, 3]
    task, L, A = snapshot.task, snapshot.logits.double(), snapshot["blocks.0.mlp.hook_post"].double()
    wave = Wave.of(task)
    on, train, test = wave.is_on, task.is_train & wave.is_on, ~task.is_train & wave.is_on
    loss = lambda logits, rows: pytest.approx(loss_on_the_cycle(logits, task, rows), rel=1e-6)
    found = read(snapshot, frequencies=tuple(key))

    waves = wave.directions(key)
    kept = fourier.project(L, waves)
    assert float(found.restricted_loss) == loss(kept + L[on].mean(0), on)
    assert float(found.restricted_test_loss) == loss(kept + L[on].mean(0), test)
    assert float(found.excluded_loss) == loss(L - kept, train)
    by_k = found.excluded_loss_by_frequency.sel(k=3)
    assert float(by_k) == pytest.approx(loss(L - fourier.project(L, wave.directions([3])), train).expected, rel=1e-5)

    place = torch.arange(wave.cycle)
    cube = torch.zeros_like(L)
    for k in key:
        C = (2 * math.pi * k / wave.cycle * (wave.index[on][:, None] - place).double()).cos()
        C /= C.norm()
        part = torch.zeros(int(on.sum()), p, dtype=torch.float64)
        part[:, wave.tokens] = C * (C * L[on][:, wave.tokens]).sum()
        cube[on] += part
    assert float(found.excluded_loss_3d) == loss(L - cube, train)

    # TransformerLens' demo edits the neurons and goes on from there: (A' W_out + b_out + resid_mid) W_U.
    P = {name.rsplit(".", 1)[-1]: value.double() for name, value in snapshot.parameters.items()}
    rest = snapshot["blocks.0.hook_resid_mid"].double() + P["b_out"]
    out = lambda neurons: ((neurons @ P["W_out"] + rest) @ P["W_U"])[:, :p]
    kept = fourier.project(A, waves)
    assert float(found.excluded_loss_mlp) == loss(out(A - kept), train)
    restricted = (A[on].mean(0) + kept) @ P["W_out"] @ P["W_U"][:, :p]
    assert float(found.restricted_loss_mlp) == loss(restricted + (L[on] - restricted[on]).mean(0), test)


def test_plain_functions_take_tensors(planted):
    """A part that is all of the circuit: what is left of the logits is zero; the 2D and 3D parts of a clock agree."""
    snapshot = planted.clock(11, (2, 5))
    wave = Wave.of(snapshot.task)
    folded = wave.fold(snapshot.logits)
    part = progress.wave_part(folded, [2, 5])
    torch.testing.assert_close(part, progress.cube_part(folded, wave, [2, 5]), atol=1e-4, rtol=0)
    neurons = wave.fold(snapshot["blocks.0.mlp.hook_post"])
    torch.testing.assert_close(part, progress.neuron_part(neurons, snapshot.W_L, [2, 5]), atol=1e-4, rtol=0)
    assert progress.excluded_logits(snapshot.logits, part, wave.index).abs().max() < 1e-4
    assert not coefficients(folded - part, wave).abs().max() > 1e-3
    assert math.isnan(progress.restricted_loss(folded, part, wave, torch.zeros(121, dtype=torch.bool)))


@pytest.mark.parametrize("scale", [1, 40, 3000])
def test_excluded_losses_share_their_exponentials_without_harm(scale):
    """Each is the cross-entropy of the logits less its part, also where the shared exponentials underflow."""
    generator = torch.Generator().manual_seed(0)
    logits = scale * torch.randn(60, 7, dtype=torch.float64, generator=generator)
    parts = [scale * torch.randn(7, 7, dtype=torch.float64, generator=generator) for _ in range(3)]
    index, tokens = torch.randint(7, (60,), generator=generator), torch.randperm(7, generator=generator)
    found = progress.excluded_losses(logits, parts, index, tokens)
    direct = [F.cross_entropy(progress.excluded_logits(logits, part, index), tokens[index]).item() for part in parts]
    assert found == pytest.approx(direct, rel=1e-12)


def test_an_unknown_split_takes_all_rows(planted):
    """A third-party model without its split: both sides are the whole table, and the variable says so."""
    clock = planted.clock(11, (2, 5))
    task = Task("a + b", p=11, layout="a b")
    snapshot = Snapshot(0, clock.config, task, clock.parameters)
    found = read(snapshot)
    assert float(found.restricted_test_loss) == float(found.restricted_loss)
    assert float(found.excluded_loss) == pytest.approx(math.log(11), rel=1e-4)
    assert "split is not known" in found.excluded_loss.attrs["source"]


def test_models_whose_neurons_are_not_linear_in_the_logits_have_no_neuron_form(planted):
    """Behind a LayerNorm, and without an MLP: NaN, and all other variables as they are."""
    from grokinterp.models.initialisation import initialise

    task = Task("a + b", p=5).split(frac=0.5, seed=0)
    for options in ({"normalization": "pre"}, {"attn_only": True}):
        config = TransformerConfig(d_model=8, n_heads=2, **options).resolved(task.n_vocab, task.n_answers, 3)
        found = read(Snapshot(0, config, task, initialise(config, seed=0)))
        for name in found.data_vars:
            if found[name].ndim == 0:
                assert math.isnan(float(found[name])) == name.endswith("_mlp"), name


def test_key_frequencies_are_chosen_once(planted):
    """`fit` takes them from the final checkpoint; every other one is read with the same; by hand, `fit` keeps them."""
    final, early = planted.clock(11, (2, 5)), planted.untrained(11)
    circuit = progress.Progress().fit(final)
    assert circuit.frequencies == (2, 5)
    assert circuit.read(early).is_key.values.tolist() == circuit.read(final).is_key.values.tolist()
    assert progress.Progress(frequencies=(1,)).fit(final) == progress.Progress(frequencies=(1,))


def test_frequencies_that_the_training_rows_do_not_need_are_not_key(planted):
    """A clock that has its training rows by heart beside: without the clock it answers these better than by it."""
    clock = planted.clock(11, (2, 5))
    task = clock.task.split(frac=0.4, seed=0)

    class Remembering(Snapshot):
        """Its logits know the training rows by more than the clock does."""

        @property
        def logits(self):
            by_heart = torch.zeros_like(super().logits)
            by_heart[task.is_train, task.labels[task.is_train]] = self.lead
            return super().logits + by_heart

    for lead, key in ((0.0, (2, 5)), (25.0, ())):
        snapshot = Remembering(0, clock.config, task, clock.parameters)
        snapshot.lead = lead
        circuit = progress.Progress().fit(snapshot)
        assert circuit.frequencies == key
        trace = circuit.read(snapshot).expand_dims(step=[0])
        none = circuit.summarise(trace).get("key_frequencies_none_because", "")
        assert none.endswith("the rows are remembered") == (not key)


def test_the_trace_states_the_frequencies_and_what_simple_rules_say(planted):
    """Attributes that files and JSON can hold."""
    snapshot = planted.clock(11, (2, 5))
    circuit = progress.Progress().fit(snapshot)
    trace = xr.concat([circuit.read(snapshot)] * 2, xr.DataArray([0, 100], dims="step", name="step"))
    found = circuit.summarise(trace)
    assert found["key_frequencies"] == [2, 5]
    assert json.loads(found["key_frequencies_by_rule"]) == {name: [2, 5] for name in ("embedding", "logits", "neurons")}
    assert "memorisation_end" not in found and "restricted loss below" in found["phase_rule"]
    json.dumps(found)


def test_phases_of_the_mainline_run_are_those_of_the_paper():
    """Nanda et al. 2023: memorisation to 1.4k, circuit formation to 9.4k, cleanup to 14k."""
    step, restricted, excluded = MAINLINE.T
    assert progress.phases(step.astype(int), excluded, restricted) == {
        "memorisation_end": 1400,
        "circuit_formation_end": 9400,
        "cleanup_end": 14000,
    }


@pytest.mark.parametrize(("rows", "borders"), [(4, 0), (8, 1), (9, 2), (10, 2), (11, 2), (12, 2), (14, 3), (15, 3)])
def test_a_run_cut_short_has_the_borders_it_has_passed(rows, borders):
    """No border is found before the curves show it; memorising alone is no phase that has ended."""
    step, restricted, excluded = MAINLINE[:rows].T
    assert len(progress.phases(step.astype(int), excluded, restricted)) == borders
    assert progress.phases(step[:0].astype(int), excluded[:0], restricted[:0]) == {}


@pytest.mark.parametrize("lost", [slice(None), slice(-1, None)])
def test_losses_that_are_no_numbers_show_no_border(lost):
    """Weights of NaN answer nothing, at one checkpoint as at all."""
    step, restricted, excluded = MAINLINE.T
    gone = excluded.copy()
    gone[lost] = np.nan
    assert progress.phases(step.astype(int), gone, restricted) == {}


def test_operations_without_a_wave_are_skipped_by_name(planted):
    """The reason names the formula."""
    assert "a^2 + b" in progress.Progress().why_not(planted.untrained(5, expression="a^2 + b"))
    assert progress.Progress().why_not(planted.untrained(5)) is None


def test_nandas_model_agrees_with_the_published_numbers(released):
    """Weight decay 0.1, measured by others: losses to three digits."""
    found = read(Snapshot(released.final.step, released.final.config, released.task, released.final.parameters))
    # Half a unit of the last digit given.
    published = {
        "restricted_loss": (2.20e-9, 5e-12),
        "restricted_test_loss": (2.25e-9, 5e-12),
        "restricted_loss_mlp": (2.70e-9, 5e-12),
        "excluded_loss": (8.385, 5e-4),
        "excluded_loss_mlp": (7.796, 5e-4),
    }
    for name, (value, half) in published.items():
        assert float(found[name]) == pytest.approx(value, abs=half), name
    by_frequency = {23: (1.176, 5e-4), 6: (0.0293, 5e-5), 37: (4.4e-4, 5e-6), 41: (2.6e-4, 5e-6), 39: (6.5e-5, 5e-7)}
    for k, (value, half) in by_frequency.items():
        assert float(found.excluded_loss_by_frequency.sel(k=k)) == pytest.approx(value, abs=half), k


def test_cleanup_ends_no_sooner_than_formation():
    """Where the excluded loss has come down before the circuit answers by itself, cleanup ends as formation does."""
    steps = np.arange(12) * 100
    excluded = np.array([5, 0.3, 10, 4, 2, 2, 2, 2, 2, 2, 2, 2.0])
    restricted = np.array([5, 5, 4, 3, 2, 1, 0.5, 0.005, 0.005, 0.005, 0.005, 0.005])
    assert progress.phases(steps, excluded, restricted) == {
        "memorisation_end": 100,
        "circuit_formation_end": 700,
        "cleanup_end": 700,
    }


def phases(excluded, restricted=0.001) -> dict[str, int]:
    return progress.phases(
        np.arange(len(excluded)) * 100, np.array(excluded, float), np.full(len(excluded), restricted)
    )


def test_each_border_has_its_own_threshold():
    """Either side of each: a rise of 1 nat, a restricted loss of .01, 95 % of the fall, and a fall of 1 nat."""
    assert phases([5, 1, 1.99, 1.99]) == {}
    assert "memorisation_end" in phases([5, 1, 2.01, 2.01])
    assert "circuit_formation_end" not in phases([5, 0, 9, 9], restricted=0.0101)
    assert "circuit_formation_end" in phases([5, 0, 9, 9], restricted=0.0099)
    assert phases([5, 0, 10, 0.51, 0.49, *[0] * 20])["cleanup_end"] == 400
    assert "cleanup_end" not in phases([5, 0, 1.5, *[0.51] * 20])
    assert "cleanup_end" in phases([5, 0, 1.5, *[0.49] * 20])


def test_a_curve_that_still_falls_has_not_been_cleaned():
    """What counts is the last tenth of the time since the largest value: 2,000 steps here, of which 200."""
    falling = lambda late: [5, 0, 10, *[4] * 17, late, 0, 0]
    assert "cleanup_end" in phases(falling(0.49)) and "cleanup_end" not in phases(falling(0.51))


@pytest.mark.parametrize("table", [6.0, 0.0], ids=["beside a table", "alone"])
def test_waves_that_do_not_answer_alone_are_a_part_of_what_answers(planted, table):
    """Logits by formula, a table's and two waves': the waves stand out from it and leave the loss of their own sum."""
    task, answer = Task("a + b", p=11, layout="a b"), torch.arange(11)
    turn = 2 * math.pi * (task.labels[:, None] - answer) / 11
    waves = torch.cos(2 * turn) + torch.cos(5 * turn)
    circuit = progress.Progress().fit(planted.answering(task, (1.5 if table else 10.0) * waves + table * (turn == 0)))
    assert circuit.frequencies == (2, 5) and circuit.why_none is None
    # A table of n answers has 2 / n of its height in every wave.
    alone = F.cross_entropy((1.5 + 2 * table / 11) * waves, task.labels).item()
    whole = F.cross_entropy(1.5 * waves + table * (turn == 0), task.labels).item()
    assert circuit.partial == (f"with these alone the logits leave {alone:.3g} nats on the table, as they are "
                               f"{whole:.3g}" if table else None)  # fmt: skip
