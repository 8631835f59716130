"""Verdict: what was found, in one paragraph with the numbers it rests on, and what would change it."""

import json
from typing import Any

import numpy as np
import xarray as xr

from grokinterp.errors import listed
from grokinterp.reports.prose import percent, scientific
from grokinterp.reports.section import Fact
from grokinterp.reports.subject import Landmarks

_SAY = {
    "clock": "a clock: it multiplies waves of the two operands",
    "pizza": "a pizza: it adds waves of the two operands and lets the neurons fold the sum",
    "mixed": "neither clearly a clock nor clearly a pizza",
    "unsolved": "no finished circuit",
}
_MEASURES = {"GS": "gradient symmetricity", "runner-up DI": "distance irrelevance"}


def verdict(trace: xr.Dataset, landmarks: Landmarks, skipped: dict[str, str]) -> list[str]:
    """Paragraphs: the circuit, how sure that is, and what would change it; or why no circuit is claimed."""
    if _diverged(trace):
        return [
            "The weights of the last checkpoint are not all finite numbers: the run diverged, and nothing is claimed."
        ]
    said = [*_generalised(trace, landmarks), *_by_frequencies(trace), *_by_irreps(trace)]
    if "verdict_evidence" not in trace.attrs:
        # What follows the semicolon is the remedy for another run.
        reason = skipped.get("clock_pizza", "its measures were not read").split(";")[0]
        said.append(f"Whether it is a clock or a pizza is not judged, because {reason}.")
        return [" ".join([*said, *_without_waves(trace)])]
    evidence = json.loads(trace.attrs["verdict_evidence"])
    said.append(f"By the measures of clock and pizza it is {_SAY[evidence['verdict']]}.{_measures(trace, evidence)}")
    return [" ".join(said), *_changes(trace), *_kin(trace)]


def headline(trace: xr.Dataset, landmarks: Landmarks) -> str:
    """The verdict in a line, for the top of the page and the index."""
    if _diverged(trace):
        return "Diverged"
    said = []
    if "verdict_evidence" in trace.attrs:
        said.append(json.loads(trace.attrs["verdict_evidence"])["verdict"])
    if landmarks.grokked_step is not None:
        said.append(f"99 % of test rows from step {landmarks.grokked_step:,}")
    elif landmarks.memorised_step is not None:
        test = float(trace["test_accuracy"][-1]) if "test_accuracy" in trace else 0.0
        said.append(f"{percent(test)} of test rows at the end" if test >= 0.5 else "memorised, not grokked")
    keys = list(trace.attrs.get("key_frequencies", []))
    if keys:
        said.append(f"key {'frequency' if len(keys) == 1 else 'frequencies'} {listed(keys)}")
    return " · ".join(said).capitalize() if said else ""


def facts(trace: xr.Dataset) -> list[Fact]:
    """The numbers that the verdict rests on, at the last checkpoint."""
    if _diverged(trace):
        return []
    last = trace.isel(step=-1)
    rows = [
        ("gradient_symmetricity", "gradient symmetricity", "mean cosine of the operands' gradients: 1 for a pizza"),
        ("distance_irrelevance_runner_up", "distance irrelevance", "of the runner-up logit, the one the verdict reads"),
        ("distance_irrelevance", "the same, correct logit", "as the notebooks of Zhong et al. take it"),
        ("verdict_score", "verdict score", "from -1, a pizza, to 1, a clock"),
        ("verdict_accuracy", "accuracy on the whole table", "below 99 % the verdict is unsolved"),
        ("logit_fve", "logits explained", "share of their variance in the waves of the answer"),
        ("restricted_loss", "restricted loss", "with the key frequencies alone"),
        ("excluded_loss", "excluded loss", "without the key frequencies"),
        ("embedding_gini", "Gini index of the embedding", "of its Fourier norms"),
        ("circularity", "circularity", "of its first components"),
    ]
    found = [Fact(said, _number(name, float(last[name])), note) for name, said, note in rows if name in last]
    for name, said, note in (
        ("ffd", "frequency density (FFD)", "share of waves at least half as strong as the strongest"),
        ("fcr", "coefficient ratio (FCR)", "near 0 where each frequency is a cosine or a sine alone"),
    ):
        if name in last:
            embedding, logits = (float(last[name].sel(matrix=matrix)) for matrix in ("W_E", "W_L"))
            pair = f"embedding {embedding:.2f}" + (f", neuron-logit map {logits:.2f}" if logits == logits else "")
            found.append(Fact(said, pair, note))
    rules = json.loads(trace.attrs.get("key_frequencies_by_rule", "{}"))
    for rule, keys in rules.items():
        if list(keys) != list(trace.attrs["key_frequencies"]):
            note = "for comparison: a simpler rule that reads one of them alone"
            found.append(Fact(f"frequencies by the {rule} alone", listed(keys) if keys else "none", note))
    return found


def _diverged(trace: xr.Dataset) -> bool:
    return "weight_norm_squared" in trace and not bool(np.isfinite(trace["weight_norm_squared"].values[-1]))


def _number(name: str, value: float) -> str:
    if value != value:
        return "not defined"
    if name in ("verdict_accuracy",):
        return percent(value)
    return f"{scientific(value)} nats" if name.endswith("loss") else f"{value:.3f}"


def _generalised(trace: xr.Dataset, landmarks: Landmarks) -> list[str]:
    last = trace.isel(step=-1)
    test = float(last["test_accuracy"]) if "test_accuracy" in last else float("nan")
    if landmarks.grokked_step is not None and landmarks.memorised_step is not None:
        return [
            f"The model answered its training rows by step {landmarks.memorised_step:,} and the rows it had never seen "
            f"by step {landmarks.grokked_step:,}."
        ]
    if test == test:
        return [f"The last checkpoint answers {percent(test)} of the rows it was not trained on."]
    return []


def _by_frequencies(trace: xr.Dataset) -> list[str]:
    if "key_frequencies" not in trace.attrs:
        return []
    keys, last = list(trace.attrs["key_frequencies"]), trace.isel(step=-1)
    if not keys:
        return ["Neurons, logits and embedding agree on no frequency, so no circuit of waves is claimed."]
    explained, restricted, excluded = (float(last[name]) for name in ("logit_fve", "restricted_loss", "excluded_loss"))
    which = f"frequency {keys[0]} alone" if len(keys) == 1 else f"the {len(keys)} frequencies {listed(keys)}"
    return [
        f"It computes with {which}: waves of the answer explain {percent(explained)} of the variance of its logits; "
        f"the key frequencies alone leave a loss of {scientific(restricted)} nats, and all but these one of "
        f"{scientific(excluded)}."
    ]


def _by_irreps(trace: xr.Dataset) -> list[str]:
    if "is_key_irrep" not in trace:
        return []
    last = trace.isel(step=-1)
    keys = last.irrep.values[last.is_key_irrep.values.astype(bool)].tolist()
    if not keys:
        return ["The trace cube of no irrep shows in its logits, so no circuit of irreps is claimed."]
    said = (
        f"Trace cubes explain {percent(float(last.logit_irrep_fve))} of its logits; key irreps are {listed(keys)}: "
        f"their part of the neurons alone leaves a loss of {scientific(float(last.restricted_loss_irreps))} nats, all "
        f"else one of {scientific(float(last.excluded_loss_irreps))}."
    )
    if "coset_neurons" in last:
        said += f" Of the neurons {percent(float(last.coset_neurons))} are concentrated on cosets of subgroups."
    return [said]


def _measures(trace: xr.Dataset, evidence: dict[str, Any]) -> str:
    rule = json.loads(trace.attrs["verdict_rule"])
    gs, di = evidence["gradient_symmetricity"], evidence["distance_irrelevance_runner_up"]
    said = (
        f" Its distance irrelevance is {di:.2f}, which says {evidence['distances_say']} (a clock's is at least "
        f"{rule['distant']})"
    )
    if gs is None:
        return f"{said}; gradients say nothing where the task subtracts."
    told = evidence["gradients_say"]
    words = "lies between the two" if told == "between" else f"says {told}"
    return (
        f"{said}, and its gradient symmetricity {gs:.2f}, which {words} (a pizza's is at least "
        f"{rule['symmetric']}, a clock's below {rule['asymmetric']})."
    )


def _changes(trace: xr.Dataset) -> list[str]:
    flips = [flip for flip in trace.attrs["verdict_flips"].split("; ") if flip]
    for short, long in _MEASURES.items():
        flips = [flip.replace(short, long) for flip in flips]
    return [f"It would be called {'; '.join(flips)}."] if flips else []


def _kin(trace: xr.Dataset) -> list[str]:
    if "verdict_public_runs" not in trace.attrs:
        return []
    kin = json.loads(trace.attrs["verdict_public_runs"])
    if not kin["runs"]:
        return []
    shares = ", ".join(f"{kin[kind]:.0%} {kind}" for kind in ("clock", "mixed", "pizza", "unsolved"))
    layers = "one layer" if kin["layers"] == "one" else "two to four layers"
    return [
        f"How much that is worth: of the {kin['runs']:,} public runs with {layers} and an attention rate near "
        f"{kin['attention_rate']:.2g} the same rule calls {shares}, and on {kin['rules_agree']:.0%} of them its two "
        "measures agree."
    ]


def _without_waves(trace: xr.Dataset) -> list[str]:
    if "gini" not in trace:
        return []
    last = trace.isel(step=-1)
    additive, characters = (float(last[name].sel(matrix="W_E")) for name in ("gini", "gini_multiplicative"))
    if characters != characters:
        return [f"The spectrum of its embedding has a Gini index of {additive:.2f}."]
    if abs(additive - characters) < 0.05:
        where = "is about as sparse on the waves of the numbers as on those of their discrete logs"
    else:
        where = f"is sparser on the waves of {'the numbers' if additive > characters else 'their discrete logs'}"
    return [
        f"Its embedding {where}: a Gini index of {additive:.2f} over the numbers, {characters:.2f} over discrete logs."
    ]
