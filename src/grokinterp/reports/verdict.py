"""Verdict: what was found, in one paragraph with the numbers it rests on, and what would change it."""

import json
import math

import xarray as xr

from grokinterp.analysis.clock_or_pizza import Finding
from grokinterp.analysis.outcome import UNEXPLAINED, Ending, Outcome
from grokinterp.circuits.irreps import borne_out
from grokinterp.errors import listed
from grokinterp.reports.prose import percent, scientific
from grokinterp.reports.section import Absent
from grokinterp.reports.subject import Landmarks, Subject

_SAY = {
    "clock": "a clock, which in their account multiplies waves of the two operands",
    "pizza": "a pizza, which in their account adds waves of the two operands and folds the sum by its neurons",
    "mixed": "mixed, neither clearly a clock nor clearly a pizza",
}
_MEASURES = {"GS": "gradient symmetricity", "runner-up DI": "distance irrelevance of the runner-up logit"}


def verdict(subject: Subject) -> list[str]:
    """Paragraphs: the circuit, how sure that is, and what would change it; or why no circuit is claimed."""
    trace, outcome, task = subject.trace, subject.outcome, subject.run.task
    if isinstance(trace, Absent):
        return []
    if not outcome.is_solved:
        return [came_to(outcome, subject.ending, task.is_commutative)]
    sentences = [*_generalised(outcome, subject.landmarks), *_by_frequencies(trace, task.n_answers), *_by_irreps(trace)]
    if "verdict_evidence" not in trace.attrs:
        # What follows the semicolon is the remedy for another run.
        reason = subject.skipped.get("clock_pizza", "its measures were not read").split(";")[0]
        sentences.append(f"Whether it is a clock or a pizza is not judged, because {reason}.")
        return [" ".join([*sentences, *_without_waves(trace)])]
    finding = Finding.from_json(trace.attrs["verdict_evidence"])
    if finding.verdict == "unsolved":
        right = percent(finding.accuracy)
        return [" ".join([*sentences, f"Clock or pizza is not judged: of the whole table it answers {right}."])]
    border = f", at the border of {finding.border}" if finding.border else ""
    if not has_waves(trace):
        return [" ".join([*sentences, _without_circuit(finding, border)]) + _measures(trace, finding)]
    # Near a threshold "neither clearly" would say more than is known.
    kind = "mixed" if border and finding.verdict == "mixed" else _SAY[finding.verdict]
    sentences.append(f"By Zhong et al.'s measures it is {kind}{border}.")
    return [
        " ".join(sentences) + _measures(trace, finding),
        *_geometry(trace, finding),
        *_changes(trace),
        *_kin(trace),
    ]


def headline(subject: Subject) -> str:
    """What it came to in a line, for the top of the page and the index."""
    trace, outcome, landmarks = subject.trace, subject.outcome, subject.landmarks
    if isinstance(trace, Absent):
        return ""
    if outcome.kind == "diverged":
        return "Diverged" if subject.ending is not None else "Diverged: its weights are not all finite numbers"
    if not outcome.is_solved:
        rows = ((outcome.train, "training rows"), (outcome.test, "test rows"))
        shares = [f"{percent(share)} of {side}" for share, side in rows if share == share]
        shares = shares or [f"{percent(outcome.every)} of all rows"]
        ending = subject.ending
        stopped = f" at step {ending.last:,} of {ending.planned:,}" if ending is not None and ending.is_early else ""
        it = "as it was read it" if outcome.kind == UNEXPLAINED else "it"
        return f"{outcome.kind.capitalize()}{stopped}: {it} answers {listed(shares)}"
    parts = []
    if "verdict_evidence" in trace.attrs and has_waves(trace):
        finding = Finding.from_json(trace.attrs["verdict_evidence"])
        if finding.verdict != "unsolved":
            border = f", at the border of {finding.border}," if finding.border else ""
            parts.append(f"{finding.verdict}{border} by Zhong et al.'s measures")
    if landmarks.grokked_step is not None:
        parts.append(f"99 % of test rows at step {landmarks.grokked_step:,}")
    keys = list(trace.attrs.get("key_frequencies", []))
    if keys:
        part = " in part" if "key_frequencies_partial_because" in trace.attrs else ""
        parts.append(f"key {'frequency' if len(keys) == 1 else 'frequencies'} {listed(keys)}{part}")
    line = " · ".join(parts or ["solved"])
    return line[0].upper() + line[1:]


def came_to(outcome: Outcome, ending: Ending | None, commutes: bool = True) -> str:
    """What a model that has not solved its task did come to, with the null that explains it, and no more."""
    if outcome.kind == "diverged":
        by_loss = ending is not None and ending.diverged
        what = "The weights of the last checkpoint are not all finite numbers"
        if ending is None:  # of another's file, where that may have come about in other ways
            return f"{what}, so that they answer nothing, and nothing is claimed of them."
        what = "The training loss is no finite number any more" if by_loss else what
        return f"{what}: the run diverged, and nothing is claimed."
    shares = {
        "the rows it was trained on": outcome.train,
        "the others" if outcome.train == outcome.train else "the rows held out": outcome.test,
        "those of them whose swap was not trained on either": outcome.unswapped,
    }
    if outcome.unswapped == outcome.test or not commutes:  # a swap is another question
        del shares["those of them whose swap was not trained on either"]
    known = [f"{percent(share)} of {rows}" for rows, share in shares.items() if share == share]
    answers = f"The last checkpoint answers {listed(known or [f'{percent(outcome.every)} of all rows'])}"
    if outcome.kind == UNEXPLAINED:
        return (
            f"Not explained: as it was read, {answers[0].lower()}{answers[1:]}, and the weights do not bear that "
            "reading out. Nothing is claimed of what they compute, and no measure on this page is one of their "
            "algorithm; what the file does not say of its model can be stated."
        )
    if outcome.kind == "memorised":
        return (
            f"{answers}: it has the rows it was trained on by heart, and looks them up. No algorithm is claimed, and "
            "no measure of one: a table of its training rows has values of its own for each."
        )
    if outcome.kind == "stopped early":
        at = f" at step {ending.last:,} of {ending.planned:,}" if ending is not None and ending.is_early else ""
        return f"{answers}. Training stopped{at} before the task was solved, so no algorithm is claimed."
    return f"{answers}. It did not learn the task, so no algorithm is claimed."


def _generalised(outcome: Outcome, landmarks: Landmarks) -> list[str]:
    if landmarks.grokked_step is not None and landmarks.memorised_step is not None:
        return [
            f"The model answered its training rows by step {landmarks.memorised_step:,}, and 99 % of the rows it had "
            f"never seen by step {landmarks.grokked_step:,}."
        ]
    if outcome.is_told_from_memory:
        return [f"The last checkpoint answers {percent(outcome.test)} of the rows it was not trained on."]
    return [
        f"The last checkpoint answers {percent(outcome.every)} of all rows. Which of them were held out is not known, "
        "if any were, so that alone does not tell a rule from a memory."
    ]


def _by_frequencies(trace: xr.Dataset, n_answers: int) -> list[str]:
    if "key_frequencies" not in trace.attrs:
        return []
    keys, last = list(trace.attrs["key_frequencies"]), trace.isel(step=-1)
    if not keys:
        because = trace.attrs.get("key_frequencies_none_because", "neurons, logits and embedding agree on none")
        return [f"No frequency is key ({because}), so no circuit of waves is claimed."]
    if partial := trace.attrs.get("key_frequencies_partial_because"):
        which = f"frequency {keys[0]} stands" if len(keys) == 1 else f"the frequencies {listed(keys)} stand"
        return [
            f"In its logits {which} out from a table of the training rows, as a part of what answers: {partial}. So no "
            "circuit of waves is claimed."
        ]
    restricted, excluded = map(float, (last.restricted_loss, last.excluded_loss))
    which = f"frequency {keys[0]} alone" if len(keys) == 1 else f"the {len(keys)} frequencies {listed(keys)}"
    # Shares of the logits' variance are as the squares of the coefficients, and all of them add up to `logit_fve`.
    squares = last.logit_coefficient**2
    explained = float(last.logit_fve * squares.sel(k=keys).sum() / squares.sum())
    return [
        f"It computes with {which}: {'its' if len(keys) == 1 else 'their'} waves of the answer explain "
        f"{percent(explained)} of the variance of its logits. With these waves alone it loses {scientific(restricted)} "
        f"nats, without them {scientific(excluded)} on training rows; a guess loses {scientific(math.log(n_answers))}."
    ]


def has_waves(trace: xr.Dataset) -> bool:
    """Whether key frequencies alone answer, where the trace tells: clocks and pizzas are circuits of waves."""
    return not {"key_frequencies_none_because", "key_frequencies_partial_because"} & trace.attrs.keys()


def _without_circuit(finding: Finding, border: str) -> str:
    """What the measures would say of a model that shows no circuit that they are measures of."""
    return (
        f"Clock or pizza is not judged: both are circuits of waves. Zhong et al.'s measures by themselves say "
        f"{finding.verdict}{border}; a table of remembered rows has values of them too."
    )


def _by_irreps(trace: xr.Dataset) -> list[str]:
    if "is_key_irrep" not in trace:
        return []
    last = trace.isel(step=-1)
    if not last.is_key_irrep.any():
        return ["The trace cube of no irrep shows in its logits, so no circuit of irreps is claimed."]
    keys, told = last.irrep.values[last.is_key_irrep.values.astype(bool)].tolist(), borne_out(last)
    if not told:
        return [
            "No irrep shows in its logits more than a table of the rows it was trained on would show it, so no circuit "
            "of irreps is claimed."
        ]
    return [
        f"Trace cubes explain {percent(float(last.logit_irrep_fve))} of its logits; key irreps are {listed(keys)}"
        f"{_of_a_memory([name for name in keys if name not in told])}: "
        f"their part of the neurons alone leaves a loss of {scientific(float(last.restricted_loss_irreps))} nats, all "
        f"else one of {scientific(float(last.excluded_loss_irreps))}."
    ]


def _of_a_memory(irreps: list[str]) -> str:
    return f", of which {listed(irreps)} show no more than in a table of the rows it was trained on" if irreps else ""


def _measures(trace: xr.Dataset, finding: Finding) -> str:
    rule = json.loads(trace.attrs["verdict_rule"])
    gs, di = finding.gradient_symmetricity, finding.distance_irrelevance_runner_up
    distances = (
        f" The distance irrelevance of its runner-up logit is {di:.4f}, which says {finding.distances_say} (a clock's "
        f"is at least {rule['distant']})"
    )
    if gs is None:
        return f"{distances}; gradients say nothing where the task subtracts."
    side, error = finding.gradients_say, finding.gradient_symmetricity_error
    words = "lies between the two" if side == "between" else f"says {side}"
    gradients = f"{gs:.4f}" + ("" if error is None else f" with a standard error of {error:.4f}")
    return (
        f"{distances}, and its gradient symmetricity {gradients}, which {words} (a pizza's is at least "
        f"{rule['symmetric']}, a clock's below {rule['asymmetric']})."
    )


def _geometry(trace: xr.Dataset, finding: Finding) -> list[str]:
    """Where the neurons lie on another shape than the verdict's: a pizza adds vectors, on a disc; a clock need not."""
    shape = str(trace["geometry"].values[-1]) if "geometry" in trace else "none"
    expected = {"clock": "torus", "pizza": "disc"}.get(finding.verdict)
    if expected is None or shape == "none" or shape == expected:
        return []
    two = percent(float(trace["cluster_share_of_two"][-1]))
    where = "between a disc and a torus" if shape == "mixed" else f"on a {shape}"
    return [
        f"Another measure disagrees: {finding.verdict} by gradients and logits, its neurons lie {where} (two "
        f"components hold {two} of the variance of a frequency's neurons; a disc, which adds vectors as a pizza does, "
        f"has 100 %, a torus 50 %). Zhong et al.'s measures and the geometry are not the same question."
    ]


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
        f"How much that is worth: of the {kin['runs']:,} public runs of the same task and rows with {layers} and an "
        f"attention rate near {kin['attention_rate']:.2g} the same rule calls {shares}, and on "
        f"{kin['rules_agree']:.0%} of them its two measures agree."
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
