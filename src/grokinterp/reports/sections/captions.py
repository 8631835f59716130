"""Captions: what to look for in each figure, in words that fit what the run has."""

import xarray as xr

from grokinterp.errors import listed
from grokinterp.reports import labels
from grokinterp.reports.figures.table import Table


def table(table: Table) -> str:
    """Under the picture of the answers and the split."""
    split = (
        "On the right the same table with the test rows left blank: all that the model ever saw."
        if table.trained is not None
        else "Which rows were trained on is not known."
    )
    shown = f" Shown {table.shown}." if table.shown else ""
    return (
        "Every question and its answer: rows are the first operand, columns the second, and the colour turns once "
        f"through the answers. {split} Look for the stripes or patches that a rule makes.{shown}"
    )


def loss(both: bool, marked: bool) -> str:
    """Under the losses; `both` where train and test are drawn, `marked` where there are landmarks."""
    look = (
        "Look for the gap between the curves: where a model groks, the train loss falls early, "
        "the test loss rises first and falls late."
        if both
        else "Look for plateaus and sudden falls."
    )
    lines = " Dashed lines mark the steps named in the legend, shades the phases." if marked else ""
    return f"Cross-entropy in nats, first on a log scale; the buttons change both axes. {look}{lines}"


def accuracy(unswapped: bool) -> str:
    """Under the accuracies; `unswapped` where the curve without memorised swaps is drawn."""
    dotted = (
        " The dotted blue curve leaves out test rows (b, a) with (a, b) trained on, which memorised pairs answer."
        if unswapped
        else ""
    )
    return (
        "Share of rows answered right. Look for how long the test curve stays low after the train curve is at the top, "
        f"and how steeply it then rises.{dotted}"
    )


WEIGHT_NORM = (
    "Sum of the squares of all weights. Look for a rise while rows are memorised, and for a fall under weight decay "
    "that goes with the rise of the test accuracy."
)

PROGRESS = (
    "The loss with the key frequencies of the logits alone (restricted), and with all but these (excluded). Look "
    "for the restricted loss falling long before the test loss does: the circuit forms unseen. The excluded loss "
    "rises while the model comes to rely on it, and what it had memorised is cleaned away. Other forms wait in the "
    "legend; click one."
)
EXCLUDED = (
    "Left, the loss on training rows with one key frequency taken out of the logits; right, how many of them are "
    "still answered without any. Look for the order in which frequencies become needed."
)
DENSITY = (
    "Two measures of the spectrum at every checkpoint. FFD is the share of waves at least half as strong as the "
    "strongest: it falls where few frequencies are kept, as addition does. FCR falls where each frequency comes to be "
    "a cosine or a sine alone, as in multiplication. Random weights give 1 and about 0.93. Dotted curves read the "
    "same weights in the order of discrete logs, on the characters of the multiplicative group."
)
SPECTRUM_OVER_TIME = (
    "How much of the embedding lies in each frequency (a row) at each checkpoint (a column). Look for an even haze "
    "that gives way to a few lasting lines, the frequencies that the model keeps."
)
SPECTRUM = (
    "Norm of the cosine and the sine row of every frequency, in the embedding and in the map from neurons to "
    "logits. Look for a few pairs far above the rest; cosine and sine of like height mean that tokens stand on a "
    "circle, not on a line."
)
LOGIT_MAP_OVER_TIME = (
    "The same of the map from neurons to logits. The lines should be those of the embedding: the model reads answers "
    "off with the frequencies that it puts its numbers in with."
)
SPARSITY = (
    "Left, how uneven the spectra are; right, how much of the embedding's first components lies in one frequency each, "
    "and how much of the logits' variance the waves of the answer explain. Look for curves that rise together."
)
CLUSTERS = (
    "Above, how many neurons each frequency has; below, every neuron, and the share of its variance that its frequency "
    "explains. Look for neurons that gather in a few columns and climb to the top."
)
NEURONS = (
    "Activations for every pair of operands of the best tuned neuron of the largest clusters, from 0, which is blank, "
    "to its own largest at the end, and under each the "
    "strongest entries of its 2-D spectrum at the end, a dot the larger the stronger. Look for stripes and for "
    "checkers: dots on the edges are waves of one operand, a square of dots is their product."
)
PATTERNS = (
    "Where each head looks from the position at which the answer is read. Look for heads that share their attention "
    "between the two operands."
)
TO_FIRST = (
    "How much each head attends to the first operand, for every pair. Look for stripes: a head whose attention "
    "rises and falls with a wave of the operands. The frequency is that of the best wave, with the share of "
    "variance it explains."
)
PERIODICITY = (
    "Left, the share of a head's attention to the first operand that waves of one frequency explain; right, which "
    "frequency that is. Look for heads that settle on a key frequency."
)
COEFFICIENTS = (
    "How alike the logits and the wave of the answer are, for every frequency. A clock's logits are made of a few "
    "of these waves; those of the key frequencies are in blue."
)
COEFFICIENTS_OVER_TIME = (
    "Left, how strong the wave of each key frequency is in the logits; right, the share of their variance that all "
    "waves explain. Look for waves that grow while the test loss is still high."
)
PLANE = (
    "A clock's gradients differ between the operands and its logits do not depend on their distance, so it stands "
    "top left; a pizza stands at the bottom right. Blue is where the solved public runs of Zhong et al. 2023 stand, "
    "most of them with constant attention, so expect a crowd on the right. Dashed lines are the thresholds of the "
    "verdict."
)
PARTS = (
    "The loss of the last checkpoint with one part set to zero at a time, on a log scale. Look for bars far above the "
    "dashed line: what the model cannot do without."
)
FREQUENCIES = (
    "The loss of the last checkpoint without one frequency at a time. Look for tall bars at the key frequencies and "
    "nowhere else; a frequency that matters in the embedding and not in the logits is used on the way."
)
BOTH_BASES = (
    "The final embedding and neuron-logit map, on the waves of the numbers themselves and on the characters, the "
    "waves of their discrete logs. Look for the basis in which few bars are left: it is the one that the model "
    "computes in."
)
SPECTRAL_MORE = (
    "Gini index: 0 where all waves are alike, 1 where there is one only. Cosine share: above a half cosines "
    "outweigh sines. The FCR weighted by energy leaves out what is mere noise. Look for the basis whose curve leaves "
    "its start, and for embedding and neuron-logit map that part ways."
)
IRREPS = (
    "For every irrep, how much of the embeddings, of the neurons, of the neuron-logit map and of the logits it "
    "explains. Look for few irreps that hold nearly all of each, the same in every part."
)
IRREPS_OVER_TIME = (
    "Left, how alike the logits and the trace cube of each irrep are; right, the losses of the neurons' part in key "
    "irreps alone, and of all else. Look for irreps that come one after another, and for the excluded loss rising "
    "while the test loss falls."
)
IMAGE_PLANE = (
    "One point an image, a colour a gradient dy/dx, counted downwards. Look for gradients that gather in clusters of "
    "their own: then it makes no difference to the model where in the image a line lies."
)
TRANSLATION = (
    "The share of the variance that lies between gradients, 1 where all images of one gradient are one point. Look for "
    "a rise far above that of the images themselves, which is what no model has touched."
)
IRREPS_LOSSES = (
    "The loss of the neurons' part in one irrep alone, on all rows, and of all else, on training rows. Look for an "
    "irrep that the model cannot do without, and whether any does by itself."
)
COSETS = (
    "Left, every neuron under the subgroup whose cosets it is most constant on, the lower the more so: below 1 it is "
    "concentrated there. Right, the accuracy without all neurons above a concentration. Look for neurons that gather "
    "under few subgroups, and for an accuracy that stays up until their concentrations are reached."
)
COSETS_OVER_TIME = (
    "The share of neurons concentrated on cosets, and of these the share whose subgroups for x and for y are "
    "conjugate, as the circuit needs them. Look for a rise before or with the test accuracy."
)
OUTPUT_GROUP = (
    "One point an answer, where its output weights lie, coloured by the cosets that explain them best. Look for points "
    "of one colour that lie together; in a projection to two dimensions they may still overlap."
)
OUTPUT_SUM = (
    "One point an answer, where its output weights lie, each joined to the one a fixed step further. Look for a closed "
    "ring or star: the number line bent round."
)
TOKENS = (
    "Every token of the answer by itself, in the order in which they are predicted; dotted where rows are trained on. "
    "Look for tokens that fall at different times, each all at once: the mean over tokens hides their phase changes."
)
INDUCTION = (
    "Attention to the token just before (left), and to what followed the current token's earlier occurrence (right); "
    "dotted the first layer, drawn through the second. Look for a head of an earlier layer on the left and one of a "
    "later layer on the right that rise together, as the loss falls."
)
GRID_OVER_TIME = (
    "Left, how well the points' places can be read off their embedding; right, the test accuracy. Look for the first "
    "two components rising with or after the accuracy: the grid sharpens once the model generalises."
)
GRID = (
    "Every point of the grid in the embedding's first two components, joined to its neighbours. Look for a net without "
    "crossings; components may be turned, mirrored and stretched."
)
LEARNT_CODE = (
    "Cosine similarity of every two numbers, in the order of the task's cycle: by the learnt embedding and by each "
    "encoder. Look for stripes along the diagonal: a code that knows distances only, as clocks do."
)
CODE_SIMILARITY = (
    "Mean cosine similarity of each pair's code to those of all other pairs; one half is blank since (a, b) and (b, a) "
    "are one row. Look for pairs whose code is unlike most others."
)
CODE_EQUAL = (
    "Accuracy on test pairs of two equal numbers beside that on all test pairs. Look for whether the equal ones are "
    "the hard ones: the sum of two equal codes is twice the code itself."
)
CODE_BITS = (
    "How much of each bit's variance lies between the answers: 0 by chance, 1 where the answer alone decides whether "
    "it is on. Look for bits that hold the answer before anything is learnt."
)
OPERANDS = (
    "A sum may treat its operands alike and a difference may not. Look for heads that give one operand more than the "
    "other, and whether they keep to it."
)


def own(variable: xr.DataArray) -> str:
    """Under a figure that was drawn from a variable's dims alone: its dims and its own words."""
    dims = [labels.spoken(str(dim)) for dim in variable.dims if dim != "step"]
    over = f"over {listed(dims)}" if dims else "one number a checkpoint"
    said = labels.spoken(str(variable.name))
    return f"{said[:1].upper()}{said[1:]}, {over}. Look for what changes where the test accuracy rises."


def order(trace: xr.Dataset, multiplicative: bool) -> str:
    """On which cycle the spectra are read, and how sparse the embedding is there and elsewhere."""
    last = trace.isel(step=-1)
    n = last.sizes["token"] - multiplicative if "token" in last.dims else last.sizes["basis"] - multiplicative
    additive, characters = (float(last[name].sel(matrix="W_E")) for name in ("gini", "gini_multiplicative"))
    other = "" if characters != characters else f", and {characters:.2f} on the characters"
    if multiplicative:
        return (
            "The numbers are read in the order of their discrete logs, as powers of a primitive root, zero left "
            f"out: {n} places. Multiplying them is adding these. The Gini index of the embedding's Fourier norms (0: "
            f"all equal, 1: one only) ends at {characters:.2f} there and at {additive:.2f} in the order of the "
            "numbers themselves."
        )
    return (
        f"The embedding is read as a function of the number, of which there are {n}. The Gini index of its Fourier "
        f"norms (0: all equal, 1: one only) ends at {additive:.2f}{other}."
    )


def circles(found: xr.Dataset) -> str:
    """Under the pairs of components."""
    factor = found["circle_step"].attrs["units"] == "factor"
    neighbours = (
        "joins tokens that differ by the named factor"
        if factor
        else "joins tokens that are the named step apart, the inverse of the frequency"
    )
    moves = (
        " Earlier checkpoints are projected on the same components: move the slider and watch the rings open."
        if found.sizes["step"] > 1
        else ""
    )
    return (
        "Each panel shows all tokens in two principal components that share a frequency. A thin line "
        f"{neighbours}. Look for closed rings with evenly spaced tokens. Purity is the share of the pair's power at "
        "that frequency, variance the pair's share of the whole; where two frequencies are equally strong their "
        f"components mix and purity is low. The colour is the place on the ring at the end.{moves}"
    )
