"""Networks by formula: the numbers that follow from each, what measures say of them, and what no formula takes."""

import math
from itertools import combinations

import pytest
import torch
from torch.nn import functional as F

import grokinterp as gi
from grokinterp import fourier
from grokinterp.analysis.outcome import Outcome
from grokinterp.circuits import registered
from grokinterp.constructions import CONSTRUCTIONS
from grokinterp.constructions._construction import check_neurons
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.importers import opening_call
from grokinterp.measuring import snapshot_of
from grokinterp.reports import prose

PHASES = [12] * 7 + [11] * 4


def example(kind, **more):
    """The example that a kind gives of itself, built."""
    return gi.build(kind, **{**eval(f"dict({CONSTRUCTIONS[kind].example})"), **more})


def logits(run):
    return evaluator(run.model_config, run.task)(run.final.parameters, for_gradient=False)[:, : run.task.n_answers]


def wave(run, k, n, sign=1):
    """[row, answer]: cos w_k(a + b - c) on a cycle of n."""
    a, b = run.task.operands.T
    return (2 * math.pi / n * (k * (a[:, None] + sign * b[:, None] - torch.arange(n)) % n).double()).cos()


def read(name, run):
    snapshot = snapshot_of(run, 0)
    return registered()[name].fit(snapshot).read(snapshot)


@pytest.mark.parametrize("kind", CONSTRUCTIONS)
def test_every_kind_is_a_run_that_is_saved_and_says_what_wrote_it(kind, tmp_path):
    """One checkpoint at step 0, right on all rows but for a memory; the directory loads as the same weights."""
    run = example(kind, out=tmp_path / kind)
    assert run.steps == [0] and run.provenance.formula.startswith(f"gi.build({kind!r}, ")
    loaded, again = gi.load(tmp_path / kind), eval(run.provenance.formula, {"gi": gi})
    assert loaded.provenance.formula == run.provenance.formula
    for name, value in again.final.parameters.items():
        assert torch.equal(value, loaded.final.parameters[name]), name
    right = logits(loaded).argmax(1) == loaded.task.labels
    assert torch.equal(loaded.task.is_train, again.task.is_train)
    assert right[loaded.task.is_train].all() and (right.all() or kind == "lookup")
    scores = gi.evaluate(loaded.final.model(), loaded.task)
    assert scores["train_accuracy"] == 1
    with pytest.raises(gi.BadRequest, match="already"):
        example(kind, out=tmp_path / kind)


@pytest.fixture(scope="module")
def of_one_frequency():
    """[k]: the logits of one frequency alone at p = 23, and the task's answers."""
    runs = [gi.build("quadratic", 23, [k], n) for k, n in enumerate(PHASES, 1)]
    return torch.stack([logits(run).double() for run in runs]), runs[0].task.labels


@pytest.mark.parametrize(
    ("count", "loss", "spread"),
    [(1, 1.642745, 0.020073), (2, 0.602362, None), (4, 0.028781, None), (8, 2.99e-8, None)],
)
def test_quadratic_losses_are_those_of_he_et_al(of_one_frequency, count, loss, spread):
    """The mean over all choices of so many frequencies, whose logits add up (He et al. 2602.16849, measured anew)."""
    alone, labels = of_one_frequency
    losses = torch.tensor(
        [F.cross_entropy(alone[list(chosen)].sum(0), labels) for chosen in combinations(range(11), count)]
    )
    assert losses.mean().item() == pytest.approx(loss, rel=2e-3 if count == 8 else 1e-6 if count == 1 else 2e-5)
    assert spread is None or losses.std(correction=0).item() == pytest.approx(spread, abs=1e-6)


@pytest.mark.parametrize(
    ("turns", "low", "high"), [(0.4, 4.8145, 4.8155), (0.8, 0.00195, 0.00205), (1.2, 1.185e-9, 1.195e-9), (2, 0, 1e-13)]
)
def test_phases_over_less_than_a_turn_answer_worse(turns, low, high):
    """All eleven frequencies, 128 neurons, phases over turns * pi only: the losses of He et al."""
    run = gi.build("quadratic", p=23, frequencies=range(1, 12), phases=PHASES, arc=turns * math.pi)
    assert run.model_config.layer_neurons == (128,)
    assert low <= F.cross_entropy(logits(run).double(), run.task.labels).item() <= high


@pytest.mark.parametrize("phases", [3, 5, 12])
def test_quadratic_logits_are_the_wave_of_the_answer(phases):
    """N cos^2(w(a - b) / 2) cos w(a + b - c), exactly."""
    run = gi.build("quadratic", p=13, frequencies=[2, 5], phases=phases)
    a, b = run.task.operands.T
    size = lambda k: (math.pi * k / 13 * (a - b).double()).cos().square()[:, None]
    expected = sum(phases * size(k) * wave(run, k, 13) for k in (2, 5))
    torch.testing.assert_close(logits(run).double(), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("phases", [3, [4, 5]])
def test_gromov_logits_are_a_clocks(phases):
    """N^2 / 2 cos w(a + b - c), exactly, whatever a - b is."""
    run = gi.build("gromov", p=13, frequencies=[2, 5], phases=phases)
    each = [phases] * 2 if isinstance(phases, int) else phases
    expected = sum(n * n / 2 * wave(run, k, 13) for k, n in zip((2, 5), each, strict=True))
    torch.testing.assert_close(logits(run).double(), expected, atol=1e-4, rtol=0)


def test_coset_logits_count_the_cosets_that_agree():
    """Of S_4 and the four stabilisers of a point: how many letters z moves as x y does."""
    run = gi.build("coset", group="S4", subgroups=["6"])
    group = run.task.group
    where = torch.tensor([[int(digit) for digit in name if digit.isdigit()] for name in group.elements])
    same = (where[run.task.labels][:, None] == where[None]).sum(-1)
    inverse = where[group.inverse]
    same_inverse = (inverse[run.task.labels][:, None] == inverse[None]).sum(-1)
    found = logits(run) / 10
    assert torch.equal(found, same.float()) or torch.equal(found, same_inverse.float())


def test_a_lookup_knows_its_rows_alone():
    """Logit 10 on the answers of its training rows, 0 everywhere else; also of a task of one's own."""
    for run in (example("lookup"), gi.build("lookup", task=gi.Task.from_function(max, p=7, layout="a b").split(0.5))):
        expected = 10 * F.one_hot(run.task.labels, run.task.n_answers) * run.task.is_train[:, None]
        assert torch.equal(logits(run), expected.float())


VERDICTS = {
    "clock": ("clock", "torus"),
    "transformer_clock": ("clock", "torus"),
    "product": ("clock", "torus"),
    "gromov": ("clock", "torus"),
    "pizza": ("pizza", "disc"),
    "quadratic": ("pizza", "disc"),
    "torus": (None, "torus"),
}


@pytest.mark.parametrize("kind", VERDICTS)
def test_measures_say_what_was_built(kind):
    """The verdict by gradients and logits, the shape of the neurons, and the frequencies."""
    run = example(kind, **({"p": 11, "frequencies": [2, 5]} if kind in ("clock", "transformer_clock") else {}))
    verdict, shape = VERDICTS[kind]
    assert verdict in (None, str(read("clock_pizza", run).verdict.values))
    assert str(read("geometry", run).geometry.values) == shape
    key = read("progress", run).is_key
    built = eval(f"dict({CONSTRUCTIONS[kind].example})")["frequencies"] if run.task.sizes[0] != 11 else [2, 5]
    assert key.k.values[key.values.astype(bool)].tolist() == built


def test_a_disc_is_a_torus_of_one_difference():
    """Neurons whose phases of a and b are the same add two vectors."""
    assert str(read("geometry", example("torus", differences=[0.0])).geometry.values) == "disc"


def test_every_neuron_of_cosets_is_read_as_one():
    """Its pre-activations are constant on right cosets of x and left ones of y, of the subgroups asked for."""
    found = read("cosets", gi.build("coset", group="S4", subgroups=["6"]))
    assert float(found.coset_neurons) == 1
    assert set(found.coset_subgroup_left.values) == set(found.coset_subgroup_right.values) == {"6"}


def test_a_page_says_that_nothing_was_trained():
    """And with what call it is built again; rows only count as trained on. A lookup has memorised its own."""
    run = example("lookup")
    words = " ".join(prose.trained(run))
    assert "It was not trained: its weights are those of a formula, gi.build('lookup', p=23, frac=0.4)." in words
    assert "(39.9\N{NO-BREAK SPACE}%) count as trained on" in words
    assert (
        Outcome.of({name: float(value) for name, value in read("loss", run).items() if value.ndim == 0}).kind
        == "memorised"
    )
    assert opening_call(run) == run.provenance.formula


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        ("quadratik", {"p": 23}, "no construction 'quadratik'. Did you mean 'quadratic'"),
        (3, {}, "no construction 3. The kinds: clock"),
        ("quadratic", {"p": 23}, "a quadratic needs frequencies, as in gi.build('quadratic', p=23, frequencies=[3]"),
        ("quadratic", {"p": 23, "frequencies": [0]}, "frequency 0 is not between 1 and 11"),
        ("clock", {"p": 23, "frequencies": [12]}, "frequency 12 is not between 1 and 11"),
        ("product", {"p": 11, "frequencies": [6]}, "frequency 6 is not between 1 and 5, the waves on a cycle of 10"),
        ("clock", {"p": 23, "frequencies": [2, 2]}, "frequencies has 2 more than once"),
        ("clock", {"p": 23, "frequencies": []}, "frequencies is empty"),
        ("clock", {"p": 23, "frequencies": 2}, "frequencies=2 must be a list of whole numbers"),
        ("clock", {"p": 2, "frequencies": [1]}, "p=2 must be at least 3"),
        ("clock", {"p": 113, "frequencies": [1, 2, 3]}, "38,308 neurons, more than 30,000"),
        ("clock", {"p": 11, "frequencies": [2], "fraction": 1}, "a clock has no fraction. Its parameters: p"),
        ("clock", {"p": 11, "frequencies": [2], "phases": 3}, "a clock has no phases"),
        ("quadratic", {"p": 23, "frequencies": [3], "phases": 4}, "phases=4 leave other waves"),
        ("quadratic", {"p": 23, "frequencies": [3], "phases": [5, 5]}, "phases has 2 numbers for 1 frequencies"),
        ("quadratic", {"p": 23, "frequencies": [3], "arc": 7.0}, "arc=7 must be above 0 and at most a turn"),
        ("gromov", {"p": 23, "frequencies": [3], "phases": 2}, "phases=2 leave other waves in the logits; give 3"),
        ("torus", {"p": 23, "frequencies": [3], "phases": 4}, "phases=4 leave other waves in the logits; give 5"),
        ("torus", {"p": 23, "frequencies": [3], "differences": []}, "differences is empty"),
        ("product", {"p": 21, "frequencies": [3]}, "p=21 is not prime"),
        ("pizza", {"p": 22, "frequencies": [3]}, "p=22 is even"),
        ("transformer_clock", {"p": 11, "frequencies": [3], "layout": "a+b"}, "layout"),
        ("lookup", {}, "give one of both"),
        ("lookup", {"task": gi.Task("a + b", p=5)}, "give 'a + b' layout='a b'"),
        ("lookup", {"p": 23, "frac": 2.0}, "frac=2.0 must be above 0"),
        ("coset", {"group": "C4"}, "do not tell all answers apart; take another group"),
        ("coset", {"group": "S4", "subgroups": ["12"]}, "name several of 12, 8, 6"),
        ("coset", {"group": "S4", "subgroups": ["5"]}, "S4 has no subgroups '5'"),
        ("coset", {"task": gi.Task("a + b", p=5, layout="a b")}, "reads two elements of a group"),
        ("trace_cube", {"group": "S3", "irrep": "standar"}, "Did you mean 'standard'"),
        ("trace_cube", {"irrep": "standard"}, "name it or give its task"),
    ],
)
def test_what_no_formula_takes_is_refused_in_one_line(kind, given, line, tmp_path):
    """With the remedy, and before anything is written."""
    with pytest.raises(gi.BadRequest) as error:
        gi.build(kind, **given, out=tmp_path / "out")
    assert line in str(error.value) and not (tmp_path / "out").exists()


def test_the_base_of_the_logarithms_is_the_smallest_root():
    """So that a product's frequencies are those that every other measure counts."""
    run = gi.build("product", p=11, frequencies=[3])
    logs, on = fourier.discrete_logs(11), (run.task.operands > 0).all(1)
    a, b = logs[run.task.operands[on]].T
    turned = 3 * (a[:, None] + b[:, None] - logs[None, 1:]) % 10
    expected = 10 * (2 * math.pi / 10 * turned.double()).cos()
    torch.testing.assert_close(logits(run)[on][:, 1:].double(), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("expression", "sign"), [("a + b", 1), ("a - b", -1)])
def test_clock_logits_are_waves_of_the_answer(expression, sign):
    """scale times their sum, exactly; other than a frequency's size, nothing of them is left out."""
    run = gi.build("clock", 7, [1, 3], scale=2.0, expression=expression)
    expected = 2 * sum(wave(run, k, 7, sign) for k in (1, 3))
    torch.testing.assert_close(logits(run).double(), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("layout", ["a b", "a b ="])
@pytest.mark.parametrize("expression", ["a + b", "a - b", "a * b"])
def test_a_transformer_has_the_logits_of_the_clock(expression, layout):
    kind, named = ("product", {}) if expression == "a * b" else ("clock", {"expression": expression})
    expected = logits(gi.build(kind, 7, [1, 3], scale=2.0, **named))
    found = logits(gi.build("transformer_clock", 7, [1, 3], scale=2.0, expression=expression, layout=layout))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_pizza_logits_shrink_with_the_difference():
    """scale times G_k(d) cos w_k(a + b - c), d the half of a - b mod p, G_k(0) = 1: summed by hand."""
    run = gi.build("pizza", 7, [1, 3], scale=2.0)
    a, b = run.task.operands.T
    half, shifts = (a - b) * 4 % 7, torch.arange(7.0).double()
    expected = 0
    for k in (1, 3):
        cos = lambda steps, k=k: (2 * math.pi * k / 7 * steps).cos()
        G = lambda d, cos=cos: (2 * cos(d)[:, None] * cos(shifts)).relu() @ cos(2 * shifts)
        expected = expected + 2 * (G(half) / G(torch.zeros(1)))[:, None] * wave(run, k, 7)
    torch.testing.assert_close(logits(run).double(), expected, atol=1e-4, rtol=0)


def test_trace_cube_logits_are_the_character():
    """scale times tr rho(x y z^-1), of a group in which order counts."""
    run = gi.build("trace_cube", group="S3", irrep="standard", scale=2.0)
    group = run.task.group
    x, y = run.task.operands.T
    chi = next(rho.character for rho in group.irreps if rho.name == "standard")
    expected = 2 * chi[group.table[group.table[x, y]][:, group.inverse]]
    torch.testing.assert_close(logits(run).double(), expected.double(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("expression", "sign"), [("a + b", 1), ("a - b", -1), ("a * b", 1)])
def test_torus_neurons_are_as_they_are_said_to_be(expression, sign):
    """relu(cos(w a + phi_a) + cos(w b + phi_b)) that writes cos(w c + phi_a + phi_b - lag), neuron by neuron."""
    differences = (0.3, 1.1)
    run = gi.build("torus", 7, [1, 3], phases=5, differences=differences, lag=0.2, expression=expression)
    on, n = torch.arange(expression == "a * b", 7), 7 - (expression == "a * b")
    place = fourier.discrete_logs(7)[on] if n == 6 else on
    rows = torch.tensor([a in on and b in on for a, b in run.task.operands.tolist()])
    x, y = torch.cartesian_prod(place, place).T
    expected = 0
    for k in (1, 3):
        for i in range(5):
            for difference in differences:
                turned = lambda steps, phase, k=k: (2 * math.pi * k / n * steps.double() + phase).cos()
                phi_a = 2 * math.pi * i / 5
                phi_b = phi_a - difference
                neuron = (turned(x, phi_a) + turned(y, sign * phi_b)).relu()
                expected = expected + neuron[:, None] * turned(place, phi_a + phi_b - 0.2)
    torch.testing.assert_close(logits(run)[rows][:, on].double(), expected, atol=1e-4, rtol=0)


def test_a_network_has_thirty_thousand_neurons_at_most():
    check_neurons(30_000, "clock", "")
    with pytest.raises(gi.BadRequest, match="30,001 neurons"):
        check_neurons(30_001, "clock", "")
