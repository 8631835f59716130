"""The verdict in one paragraph, and the numbers it rests on as a table."""

import json

import xarray as xr

from grokinterp.errors import listed
from grokinterp.reports.figures.spectra import is_multiplicative
from grokinterp.reports.prose import percent, scientific
from grokinterp.reports.section import Absent, Fact, Finding, Section
from grokinterp.reports.subject import Subject
from grokinterp.reports.verdict import has_waves, verdict

_JUDGED = (
    "gradient_symmetricity",
    "gradient_symmetricity_wide",
    "gradient_symmetricity_error",
    "distance_irrelevance",
    "distance_irrelevance_runner_up",
)
"""Told with four decimals wherever they stand: those that may lie near a threshold, and their kin."""


class Conclusion(Finding):
    """What the whole page comes to: first, for whoever reads no further."""

    order = 50
    title = "The verdict"
    level = 2

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        del trace
        section.paragraphs.extend(verdict(subject))
        section.facts.extend(facts(subject))


def facts(subject: Subject) -> list[Fact]:
    """The numbers that the verdict rests on, at the last checkpoint; none where no circuit is claimed."""
    trace = subject.trace
    if isinstance(trace, Absent) or not subject.outcome.is_solved:
        return []
    last = trace.isel(step=-1)
    rows = [
        (
            "gradient_symmetricity_wide",
            "gradient symmetricity",
            f"mean cosine of the operands' gradients over {_triples(last)}: 1 for a pizza; the verdict reads this one",
        ),
        ("gradient_symmetricity_error", "its standard error", "0 where all triples were taken"),
        (
            "gradient_symmetricity",
            "gradient symmetricity, 100 triples",
            "over as many triples (a, b, answer) as Zhong et al. take",
        ),
        (
            "distance_irrelevance_runner_up",
            "distance irrelevance, runner-up logit",
            "of the largest wrong logit; the verdict reads this one",
        ),
        (
            "distance_irrelevance",
            "distance irrelevance, correct logit",
            "as the notebooks of Zhong et al. take it; for comparison",
        ),
        ("verdict_score", "verdict score", "from -1, a pizza, to 1, a clock"),
        ("verdict_accuracy", "accuracy on the whole table", "below 99 % the verdict is unsolved"),
        ("logit_fve", "logits explained", "share of their variance in the waves of the answer"),
        ("restricted_loss", "restricted loss", "with the key frequencies alone"),
        ("excluded_loss", "excluded loss", "without the key frequencies"),
        ("embedding_gini", "Gini index of the embedding", "of its Fourier norms"),
        ("circularity", "circularity", "of its first components"),
    ]
    hidden = set() if has_waves(trace) else {"verdict_score"}
    if "gradient_symmetricity_triples" in last and int(last.gradient_symmetricity_triples) == 100:
        hidden.add("gradient_symmetricity")  # the same number
    rows = [row for row in rows if row[0] in last and row[0] not in hidden]
    found = [Fact(said, _number(name, float(last[name])), note) for name, said, note in rows]
    for name, said, note in (
        ("ffd", "frequency density (FFD)", "share of waves at least half as strong as the strongest"),
        ("fcr", "coefficient ratio (FCR)", "near 0 where each frequency is a cosine or a sine alone"),
    ):
        # Of a product the waves are characters, as everywhere on its page.
        on_characters = is_multiplicative(trace)
        name = f"{name}_multiplicative" if on_characters else name
        if name in last:
            embedding, logits = (float(last[name].sel(matrix=matrix)) for matrix in ("W_E", "W_L"))
            pair = f"embedding {embedding:.2f}" + (f", neuron-logit map {logits:.2f}" if logits == logits else "")
            found.append(Fact(said, pair, f"{note}, on the characters" if on_characters else note))
    rules = json.loads(trace.attrs.get("key_frequencies_by_rule", "{}"))
    for rule, keys in rules.items():
        if list(keys) != list(trace.attrs["key_frequencies"]):
            note = "for comparison: a simpler rule that reads one of them alone"
            found.append(Fact(f"frequencies by the {rule} alone", listed(keys) if keys else "none", note))
    return found


def _triples(last: xr.Dataset) -> str:
    """How many triples the verdict's gradients were read on; readings of weights that are gone may not say."""
    if "gradient_symmetricity_triples" not in last:
        return "many triples"
    return f"{int(last.gradient_symmetricity_triples):,} triples"


def _number(name: str, value: float) -> str:
    if value != value:
        return "not defined"
    if name == "verdict_accuracy":
        return percent(value)
    if name.endswith("loss"):
        return f"{scientific(value)} nats"
    return f"{value:.4f}" if name in _JUDGED else f"{value:.3f}"
