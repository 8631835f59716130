"""What a page says a model does: of one that is solved alone, and beside its null."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch
import xarray as xr

import grokinterp as gi
from grokinterp import fourier
from grokinterp.analysis.outcome import Ending, Outcome
from grokinterp.circuits.encodings import _by_group
from grokinterp.models.initialisation import initialise
from grokinterp.reports import verdict
from grokinterp.reports.prose import ended, recipe_sentence
from grokinterp.reports.sections import registered
from grokinterp.reports.sections.cosets import Cosets
from grokinterp.reports.sections.frequencies import noise_gini
from grokinterp.reports.sections.happened import loss_caption
from grokinterp.reports.sections.irreps import Irreps
from grokinterp.reports.sections.learnt_code import by_chance
from grokinterp.reports.sections.verdict import facts
from grokinterp.reports.subject import Landmarks, Subject
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.training.planning import plan

CLAIMS = ("computes with", "would be called", "these waves alone", "Zhong", "distance irrelevance", "public runs")

EVIDENCE = {
    "verdict": "mixed", "score": 0.7, "border": "clock", "accuracy": 1.0, "gradient_symmetricity": 0.7036,
    "gradient_symmetricity_error": 0.0063, "distance_irrelevance_runner_up": 0.98, "gradients_say": "between",
    "distances_say": "clock",
}  # fmt: skip
KIN = dict(layers="one", attention_rate=1.0, runs=71, clock=0.9, mixed=0.1, pizza=0, unsolved=0, rules_agree=0.9)


def subject_of(outcome: Outcome, ending: Ending | None = None, expression: str = "a + b") -> Subject:
    """A page's subject whose trace holds every measure, whatever came of the run."""
    config, task = plan(expression, p=11, d_model=8, n_heads=2)
    weights = initialise(config.model, seed=0)
    subject = Subject(Run(MemoryStore({0: lambda: weights}, None), name="run", config=config, task=task), cache=False)
    waves = {"logit_coefficient": (("step", "k"), [[0.0, 3.0, 0.0, 0.0, -4.0]])}
    scalars = dict(logit_fve=0.9, restricted_loss=0.01, excluded_loss=4.0, verdict_score=0.7, verdict_accuracy=1.0)
    subject.trace = xr.Dataset(
        waves | {name: ("step", [value]) for name, value in scalars.items()},
        {"step": [900], "k": [1, 2, 3, 4, 5]},
        {
            "key_frequencies": [2, 5], "key_frequencies_by_rule": "{}", "verdict_evidence": json.dumps(EVIDENCE),
            "verdict_rule": json.dumps(dict(symmetric=0.98, asymmetric=0.7, distant=0.5, solved=0.99)),
            "verdict_flips": "clock if GS fell below 0.7 (now 0.7036)", "verdict_public_runs": json.dumps(KIN),
        },
    )  # fmt: skip
    subject.skipped, subject.outcome, subject.ending, subject.landmarks = {}, outcome, ending, Landmarks()
    return subject


def page_of(subject: Subject) -> str:
    table = [f"{fact.name} {fact.value} {fact.note}" for fact in facts(subject)]
    return " ".join([verdict.headline(subject), *verdict.verdict(subject), *table]).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("kind", "ending", "says"),
    [
        ("memorised", None, "it has the rows it was trained on by heart, and looks them up"),
        ("failed", None, "It did not learn the task"),
        ("stopped early", Ending(200, 8000), "Training stopped at step 200 of 8,000 before the task was solved"),
        ("diverged", Ending(200, 8000, diverged=True), "The training loss is no finite number any more"),
        ("diverged", None, "The weights of the last checkpoint are not all finite numbers"),
    ],
)
def test_an_unsolved_run_has_no_algorithm(kind, ending, says):
    """No claim, no score and no "would be called"; what it is, with its numbers."""
    text = page_of(subject_of(Outcome(kind, 1.0, 0.12, 0.03, 0.5), ending))
    assert says in text and text.startswith(kind.capitalize())
    assert not [claim for claim in (*CLAIMS, "verdict score", "2, 5") if claim in text]
    if kind != "diverged":
        assert "100 % of the rows it was trained on, 12.00 % of the others" in text


def test_swaps_are_told_where_operands_commute():
    """Of a difference the swap of a row is another question, which its memory does not answer."""
    for expression, says in (("a + b", True), ("a - b", False)):
        text = page_of(subject_of(Outcome("memorised", 1.0, 0.12, 0.03, 0.5), expression=expression))
        assert ("3.00 % of those of them whose swap" in text) == says


def test_a_solved_run_has_its_algorithm_with_its_error():
    """The verdict is said to be Zhong et al.'s, with its standard error, and at whose border it stands."""
    text = page_of(subject_of(Outcome("solved", 1.0, 1.0, 1.0, 1.0)))
    assert all(claim in text for claim in CLAIMS)
    assert text.startswith("Mixed, at the border of clock, by Zhong et al.'s measures")
    assert "0.7036 with a standard error of 0.0063, which lies between the two" in text
    assert "of the 71 public runs of the same task and rows" in text


def test_one_measure_has_one_name_and_one_number_on_a_page():
    """Of the two distance irrelevances each is named wherever it stands, and has as many digits everywhere."""
    subject = subject_of(Outcome("solved", 1.0, 1.0, 1.0, 1.0))
    read = dict(gradient_symmetricity=0.68251, gradient_symmetricity_wide=0.7036, gradient_symmetricity_triples=3200)
    read |= dict(distance_irrelevance=0.86914, distance_irrelevance_runner_up=0.98)
    subject.trace = subject.trace.assign({name: ("step", [value]) for name, value in read.items()})
    subject.trace.attrs["verdict_flips"] = "pizza if runner-up DI fell below 0.5 (now 0.9800)"
    found = {fact.name: fact for fact in facts(subject)}
    assert "over 3,200 triples" in found["gradient symmetricity"].note
    assert found["gradient symmetricity"].value == "0.7036"
    assert found["gradient symmetricity, 100 triples"].value == "0.6825"
    assert found["distance irrelevance, runner-up logit"].value == "0.9800"
    assert found["distance irrelevance, correct logit"].value == "0.8691"
    text = page_of(subject)
    assert text.count("0.9800") == text.count("runner-up logit") == 3 and "0.980 " not in text


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        (
            {"key_frequencies_partial_because": "with these alone the logits leave 0.2 nats on the table"},
            "the frequencies 2, 5 stand out from a table of the training rows, as a part of what answers: with these",
        ),
        ({"key_frequencies": [], "key_frequencies_none_because": "none stands out"}, "No frequency is key (none"),
    ],
    ids=["a part", "none"],
)
def test_where_waves_do_not_answer_no_circuit_of_waves_is_told(attributes, says):
    """A solved model whose key frequencies alone do not answer, or that has none: measures, and no clock of them."""
    subject = subject_of(Outcome("solved", 1.0, 1.0, 1.0, 1.0))
    subject.trace.attrs |= attributes
    text = page_of(subject)
    assert says in text and "Clock or pizza is not judged" in text
    told = ("computes with", "would be called", "it is", "verdict score", "by Zhong", "public runs of")
    assert not [claim for claim in told if re.search(rf"\b{claim}\b", text)]


def test_the_share_of_the_key_waves_is_theirs():
    """Of .9 that all waves explain, those of the key frequencies have their squares' part."""
    subject = subject_of(Outcome("solved", 1.0, 1.0, 1.0, 1.0))
    subject.trace.logit_coefficient[0] = [2.0, 3.0, 0.0, 0.0, -4.0]
    assert f"explain {90 * 25 / 29:.2f} % of the variance of its logits" in page_of(subject)


def test_rows_of_an_unknown_split_tell_no_rule_from_a_memory():
    """All rows right, and nobody knows which were held out."""
    nan = float("nan")
    assert "does not tell a rule from a memory" in page_of(subject_of(Outcome("solved", nan, nan, nan, 1.0)))


def test_where_it_ended_and_why():
    """By its own rule, by nobody's, or at its last step, of which nothing need be said."""
    assert ended(Ending(8000, 8000)) == ended(None) == []
    (by_rule,) = ended(Ending(1575, 8000, 100, 0.999))
    assert by_rule.replace("\N{NO-BREAK SPACE}", " ") == (
        "It ended at step 1,575, 100 steps after its test accuracy reached 99.90 %, as it was set to."
    )
    assert "as soon as its test accuracy" in ended(Ending(1575, 8000, 0))[0]
    assert "interrupted, or is still training" in ended(Ending(1575, 8000))[0]
    assert "no finite number any more" in ended(Ending(50, 8000, diverged=True))[0]


@pytest.mark.parametrize("frac", [None, 0.6])
def test_a_memorised_group_has_neither_irreps_nor_cosets(planted, frac):
    """S3 looked up: of its training rows, and of all rows where nobody knows which were held out."""
    task = gi.Task("sym", n=3, layout="a b")
    snapshot = planted.lookup(task if frac is None else task.split(frac, seed=1))
    config = plan("sym", n=3, preset="chughtai")[0].replace(model=snapshot.config)
    store = MemoryStore({0: lambda: dict(snapshot.parameters)}, None)
    subject = Subject(Run(store, name="s3", config=config, task=snapshot.task), cache=False)
    subject.trace = gi.measure(subject.run, ["loss", "irreps", "cosets"], cache=False, progress=False)
    assert subject.outcome.kind == ("solved" if frac is None else "memorised")
    sections = [section().make(subject) for section in (Irreps, Cosets)]
    text = " ".join([page_of(subject), *(paragraph for section in sections for paragraph in section.paragraphs)])
    assert "key irreps are" not in text and "are concentrated on the cosets" not in text
    assert ("a table of the rows it was trained on would" in text) == (frac is None)
    assert "a memory has such neurons too" in text


def test_the_nulls_that_stand_beside_numbers_are_those_of_noise():
    """The Gini index of a random embedding's norms, and the share of random similarities between distances."""
    generator = torch.Generator().manual_seed(0)
    W_E = torch.randn(499, 32, generator=generator, dtype=torch.float64)
    assert fourier.gini(fourier.norms(W_E)).item() == pytest.approx(noise_gini(32), rel=0.05)
    n = 11
    shares = []
    for _ in range(300):
        values = torch.randn(n, n, generator=generator, dtype=torch.float64)
        place = torch.arange(n)
        distance = (place[:, None] - place) % n
        shares.append(_by_group(values + values.mT, torch.minimum(distance, n - distance)))
    assert sum(shares) / len(shares) == pytest.approx(by_chance(n), rel=0.08)


def test_captions_say_what_to_look_for_and_never_that_it_is_there():
    """They stand on the pages of memories and failures too, which keep no phases."""
    modules = [vars(sys.modules[type(section).__module__]) for section in registered()]
    captions = [value for module in modules for value in module.values() if isinstance(value, str)]
    assert len(captions) > 40
    assert not [each for each in captions if re.search(r"the model\s+(?:reads|computes)", each)]
    assert "shades" not in loss_caption(both=True, marked=True)
    assert loss_caption(both=True, marked=True, phases=True).endswith("in the legend, shades the phases.")


def test_panels_are_told_by_their_order_since_a_phone_has_one_below_the_other():
    """So has paper: neither left nor right is where a caption said."""
    modules = [sys.modules[type(section).__module__] for section in registered()]
    sides = re.compile(r"\bLeft, |\bRight, |; right, |\bon the (?:left|right)\b|\((?:left|right)\)", re.IGNORECASE)
    texts = {module.__name__: Path(module.__file__).read_text() for module in modules}
    captions = {name: re.findall(r'^ +f?"(?!"")(.*)"', text, re.MULTILINE) for name, text in texts.items()}
    assert sum("panel, " in line for lines in captions.values() for line in lines) > 20
    assert not {name: line for name, lines in captions.items() for line in lines if sides.search(line)}


@pytest.mark.parametrize(
    "changed",
    [
        *({"optimiser": name} for name in ("adam", "sgd", "muon")),
        *({"decay_kind": kind} for kind in ("to_zero", "to_init", "jiggle", "gradient")),
        *({"loss": loss} for loss in ("stablemax", "mse")),
        *({"grokfast": kind} for kind in ("ema", "ma")),
        *({name: 0.1} for name in ("update_noise", "weight_noise", "norm_multiple")),
        *({name: True} for name in ("perpendicular_gradient", "fixed_norm")),
        {"lr_schedule": "cosine"},
    ],
    ids=lambda changed: "-".join(map(str, *changed.items())),
)
def test_the_recipe_tells_how_a_run_was_trained_otherwise(changed: dict) -> None:
    """Whatever can be chosen of optimiser and loss is put into words: two trainings that differ read differently."""
    usual, _ = plan("a + b", p=11)
    assert recipe_sentence(usual.replace(**changed)) != recipe_sentence(usual)
