"""Operation: what one kind of task asks to see beyond the rest, such as which operand a difference leans on."""

import xarray as xr

from grokinterp.analysis.cycles import Group, Wave
from grokinterp.circuits.embedding import Embedding
from grokinterp.circuits.spectrum import Spectrum
from grokinterp.reports import prose
from grokinterp.reports.figures import attention, spectra
from grokinterp.reports.section import Absent, Finding, Plate, Section
from grokinterp.reports.subject import Subject

BOTH_BASES = (
    "The final embedding and neuron-logit map, on the waves of the numbers themselves and on the characters, the "
    "waves of their discrete logs. Look for a basis in which few bars are left: what computes with waves has one."
)

SPECTRAL_MORE = (
    "Gini index: 0 where all waves are alike, 1 where there is one only. Cosine share: above a half cosines "
    "outweigh sines. The FCR weighted by energy leaves out what is mere noise. Look for the basis whose curve leaves "
    "its start, and for embedding and neuron-logit map that part ways."
)

OPERANDS = (
    "A sum may treat its operands alike; a difference has to tell them apart. Look for heads that give one operand "
    "more than the other, and whether they keep to it."
)

_SAY = {
    "sum": (
        "A sum does not care which operand comes first, and its waves are those of the numbers themselves. Furuta "
        "et al. 2024 found its spectrum the sparsest of all operations."
    ),
    "difference": (
        "A difference is not symmetric: b has to be turned round before it is added. Furuta et al. 2024 find its "
        "embedding as sparse as that of a sum, but the neuron-logit map and the logits uneven between cosines and "
        "sines."
    ),
    "product": (
        "A product is a sum of discrete logs: in the order of the powers of a primitive root its waves are "
        "characters. On the numbers themselves each character is spread over all frequencies, even ones over "
        "cosines alone and odd ones over sines alone (Furuta et al. 2024; arXiv 2606.17399)."
    ),
    "quotient": (
        "A quotient is a difference of discrete logs: characters take the place of waves, and b is turned round."
    ),
    "other": (
        "No single cycle carries this operation. Furuta et al. 2024 find that polynomials superpose what sums and "
        "products do: an embedding like that of one of them and a neuron-logit map like that of the other."
    ),
}


class Operation(Finding):
    """The section on the task's own operation."""

    order = 500
    title = "This operation"
    level = 2
    variables = (
        "gini",
        "gini_multiplicative",
        "cosine_share",
        "cosine_share_multiplicative",
        "fcr_weighted",
        "fcr_weighted_multiplicative",
    )
    requires = ("gini",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        task = subject.run.task
        wave = Wave.of(task)
        if wave is None and "p" not in task.parameters:
            return  # no arithmetic: its own circuits tell of it
        kind = "other" if wave is None else wave.kind
        section.title = f"This operation: {prose.task_in_words(task)}"
        section.paragraphs.append(_SAY[kind])
        source = f"weights of {subject.run.name}, {prose.checkpoints(subject.run.steps)}."
        if kind != "sum" and (both := _both_bases(subject, trace)) is not None:
            section.plates.append(both)
        named = attention.positions(task)
        lopsided = kind in ("difference", "quotient") or not task.is_commutative
        if lopsided and trace.sizes["step"] > 1 and "attention_pattern" in trace and {"a", "b"} <= set(named):
            figure = attention.operands(trace, task)
            section.plates.append(Plate("operands", figure, OPERANDS, source.replace("weights", "attention")))
        if trace.sizes["step"] > 1:
            measures = ("gini", "cosine_share", "fcr_weighted")
            figure = spectra.spectral(trace, measures)
            section.plates.append(Plate("spectral", figure, SPECTRAL_MORE, source))


def _both_bases(subject: Subject, trace: xr.Dataset) -> Plate | None:
    """Embedding and neuron-logit map at the end, on the waves of the numbers and on the characters."""
    last = subject.run.steps[-1:]
    named: list[tuple[str, xr.DataArray, str]] = []
    bases: dict[Group, str] = {"additive": "waves of the numbers", "multiplicative": "characters"}
    for group, basis in bases.items():
        measured = subject.measured([Embedding(group=group), Spectrum(group=group)], last)
        if isinstance(measured, Absent) or "embedding_norm" not in measured:
            return
        named.append((f"embedding, {basis}", measured["embedding_norm"], "weights"))
        if bool(measured["logit_map_norm"].notnull().all()):
            named.append((f"neuron-logit map, {basis}", measured["logit_map_norm"], "logit per activation"))
    figure, _ = spectra.bars(named, last, "frequency k")
    source = f"weights of {subject.run.name} at step {last[0]:,}."
    where = "characters" if spectra.is_multiplicative(trace) else "numbers"
    caption = BOTH_BASES + f" All other figures on this page count frequencies on the {where}."
    return Plate("both-bases", figure, caption, source)
