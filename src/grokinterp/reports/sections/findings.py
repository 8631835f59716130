"""Findings: the sections on what the model has learnt, read off the trace."""

import xarray as xr

from grokinterp.config.architecture import TransformerConfig
from grokinterp.reports import prose
from grokinterp.reports.figures import ablations as ablation_figures
from grokinterp.reports.figures import attention as attention_figures
from grokinterp.reports.figures import circles as circle_figure
from grokinterp.reports.figures import neurons as neuron_figures
from grokinterp.reports.figures import plane as plane_figure
from grokinterp.reports.figures import spectra as spectrum_figures
from grokinterp.reports.figures import training as curve_figures
from grokinterp.reports.section import Absent, Plate, Section
from grokinterp.reports.sections import captions, codes, groups, images, phase_changes
from grokinterp.reports.subject import Subject


def is_multiplicative(trace: xr.Dataset) -> bool:
    """Whether frequencies count characters: the embedding's basis then has a row for zero."""
    return "basis" in trace.dims and "zero" in trace.basis.values


def frequency_axis(trace: xr.Dataset) -> str:
    """The title of an axis of frequencies."""
    multiplicative = is_multiplicative(trace)
    return neuron_figures.axis_of_frequencies(multiplicative, trace.sizes["basis"] - multiplicative)


def _source(subject: Subject, what: str, steps: list[int] | None = None) -> str:
    return f"{what} of {subject.run.name}, {prose.checkpoints(subject.run.steps if steps is None else steps)}."


def embedding(subject: Subject, trace: xr.Dataset) -> Section | None:
    """The Fourier norms of the embedding and of the neuron-logit map, over time and row by row; and their sparsity."""
    if "embedding_norm" not in trace:
        return None
    section = Section("The frequencies")
    ticks, several = frequency_axis(trace), trace.sizes["step"] > 1
    named = [("embedding", trace["embedding_norm"], "weights")]
    if "logit_map_norm" in trace and bool(trace["logit_map_norm"].notnull().all()):
        named.append(("neuron-logit map", trace["logit_map_norm"], "logit per activation"))
    if "gini" in trace:
        section.paragraphs.append(captions.order(trace, is_multiplicative(trace)))
    if several:
        plates = (("spectrum-over-time", captions.SPECTRUM_OVER_TIME), ("logit-map-over-time", captions.LOGIT_MAP_OVER_TIME))  # fmt: skip # noqa: E501
        for (name, caption), (title, norms, unit) in zip(plates, named, strict=False):
            figure = spectrum_figures.over_time(norms, unit, ticks)
            section.plates.append(Plate(name, figure, caption, _source(subject, title)))
    figure, frames = spectrum_figures.bars(named, subject.frame_steps, ticks)
    section.plates.append(Plate("spectrum", figure, captions.SPECTRUM, _source(subject, "weights"), frames))
    if several:
        figure = curve_figures.sparsity(trace)
        section.plates.append(Plate("sparsity", figure, captions.SPARSITY, _source(subject, "weights")))
    return section


def circles(subject: Subject, trace: xr.Dataset) -> Section | None:
    """Pairs of principal components of the embedding."""
    found = subject.frames
    if isinstance(found, Absent) or not found.sizes.get("circle"):
        return None
    section = Section("The circles")
    figure, frames = circle_figure.circles(found)
    source = _source(subject, "principal components of the final embedding", subject.frame_steps)
    section.plates.append(Plate("circles", figure, captions.circles(found), source, frames))
    return section


def neurons(subject: Subject, trace: xr.Dataset) -> Section | None:
    """What the neurons are tuned to, and a few of them in full."""
    if "neuron_frequency" not in trace:
        return None
    section = Section("The neurons")
    figure, frames = neuron_figures.clusters(trace, subject.frame_steps, frequency_axis(trace))
    source = _source(subject, "neurons after their activation function")
    section.plates.append(Plate("neurons", figure, captions.CLUSTERS, source, frames))
    found = subject.frames
    if not isinstance(found, Absent) and found.sizes.get("example"):
        figure, frames = neuron_figures.maps(found)
        source = _source(subject, "neurons of the last layer", subject.frame_steps)
        section.plates.append(Plate("neuron-maps", figure, captions.NEURONS, source, frames))
    return section


def attention(subject: Subject, trace: xr.Dataset) -> Section | None:
    """Where heads look, and with which period."""
    if "attention_pattern" not in trace:
        return None
    section, task, found = Section("The attention"), subject.run.task, subject.frames
    source = _source(subject, "attention patterns at the read-out position")
    figure, frames = attention_figures.patterns(trace, subject.frame_steps, task)
    section.plates.append(Plate("attention", figure, captions.PATTERNS, source, frames))
    if not isinstance(found, Absent) and "attention_to" in found and "a" in attention_figures.positions(task):
        figure, frames = attention_figures.to_first(found, trace, task)
        section.plates.append(Plate("attention-to", figure, captions.TO_FIRST, source, frames))
    periodic = bool(trace["attention_fve"].notnull().any())
    if trace.sizes["step"] > 1 and periodic:
        figure = attention_figures.periodicity(trace)
        section.plates.append(Plate("attention-period", figure, captions.PERIODICITY, source))
    return section


def logits(subject: Subject, trace: xr.Dataset) -> Section | None:
    """The waves that the logits are made of."""
    if "logit_cosine" not in trace:
        return None
    section, source = Section("The logits"), _source(subject, "logits on the whole table")
    figure, frames = spectrum_figures.coefficients(trace, subject.frame_steps, frequency_axis(trace))
    section.plates.append(Plate("logits", figure, captions.COEFFICIENTS, source, frames))
    if trace.sizes["step"] > 1 and curve_figures.keys(trace):
        figure = spectrum_figures.coefficients_over_time(trace)
        caption = captions.COEFFICIENTS_OVER_TIME
        section.plates.append(Plate("logits-over-time", figure, caption, source))
    return section


def plane(subject: Subject, trace: xr.Dataset) -> Section | None:
    """Clock or pizza, beside the public runs."""
    if "gradient_symmetricity" not in trace:
        return None
    section, config = Section("Clock or pizza"), subject.run.model_config
    layers = None
    if isinstance(config, TransformerConfig):
        layers = "one" if config.n_layers == 1 else "deep"
    source = (
        _source(subject, "gradients and logits") + " Public runs: the tables of Zhong et al. 2023, addition mod 59."
    )
    section.plates.append(Plate("plane", plane_figure.plane(trace, layers), captions.PLANE, source))
    return section


def ablations(subject: Subject, trace: xr.Dataset) -> Section | None:
    """What is lost with each part, and the switches of the heads."""
    found = subject.ablation
    section = Section("Without its parts", heads=not isinstance(subject.head_masks, Absent))
    if subject.run.has_task and subject.run.task.labels.ndim == 2:
        section.paragraphs.append("Losses and accuracies here are those of the answer's first token.")
    if isinstance(found, Absent):
        section.notes.append(found.reason)
        return section
    source = _source(subject, "parts set to zero (gi.ablate)", subject.run.steps[-1:])
    section.plates.append(Plate("parts", ablation_figures.parts(found), captions.PARTS, source))
    if found.sizes.get("k"):
        ticks = frequency_axis(trace) if "basis" in trace.dims else "frequency k"
        figure = ablation_figures.frequencies(found, ticks)
        section.plates.append(Plate("without-frequencies", figure, captions.FREQUENCIES, source))
    return section


FOUND = (
    phase_changes.tokens, phase_changes.induction, phase_changes.grid, codes.given, embedding, circles, codes.learnt,
    groups.irreps, groups.cosets, images.representation, neurons, attention, logits, groups.output, plane, ablations,
)  # fmt: skip
"""The sections that the slider moves, in order; each is left out where its circuit does not apply."""
