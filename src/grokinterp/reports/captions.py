"""Captions: what to look for in each figure, in words that fit what the run has."""

from grokinterp import fourier
from grokinterp.reports.readings import Embedding, Table


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
    lines = " Dashed lines mark the steps named in the legend." if marked else ""
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

SPECTRUM_OVER_TIME = (
    "How much of the embedding lies in each frequency (a row) at each checkpoint (a column). Look for an even haze "
    "that gives way to a few lasting lines, the frequencies that the model keeps."
)


def spectrum(slider: bool) -> str:
    """Under the bars."""
    moves = " The slider moves through the checkpoints." if slider else ""
    return (
        "Norm of the embedding's cosine and sine row for every frequency. Look for a few pairs far above the rest; "
        f"cosine and sine of like height mean that the tokens stand on a circle, not on a line.{moves}"
    )


def order(embedding: Embedding) -> str:
    """As which kind of function the embedding is read, and how sparse its spectrum is."""
    gini = embedding.order.gini
    index = "Gini index of its Fourier norms (0: all equal, 1: one only)"
    if embedding.order.group == "multiplicative":
        return (
            "The embedding is read in discrete-log order: as a function on the multiplicative group of 1 to "
            f"{embedding.n}, the powers of the primitive root {fourier.primitive_root(embedding.p)}, token 0 left out. "
            f"Its spectrum is sparser there: the {index} is {gini['multiplicative']:.2f} at the end, and "
            f"{gini['additive']:.2f} in the order of the numbers themselves."
        )
    other = f", and {gini['multiplicative']:.2f} in discrete-log order" if "multiplicative" in gini else ""
    return (
        f"The embedding is read as a function of the token mod {embedding.p}. "
        f"The {index} is {gini['additive']:.2f} at the end{other}."
    )


def circles(embedding: Embedding) -> str:
    """Under the pairs of components."""
    neighbours = (
        "joins tokens that are the named step apart, the inverse of the frequency"
        if embedding.order.group == "additive"
        else "joins tokens that differ by the named factor"
    )
    moves = (
        " The slider projects earlier checkpoints on the same components: watch the rings open."
        if len(embedding.frame_steps) > 1
        else ""
    )
    return (
        "Each panel shows all tokens in two principal components that share a frequency. A thin line "
        f"{neighbours}. Look for closed rings with evenly spaced tokens. Purity is the share of the pair's power at "
        "that frequency, variance the pair's share of the whole; where two frequencies are equally strong their "
        f"components mix and purity is low. The colour is the place on the ring at the end.{moves}"
    )
