"""The early-warning bench: a question of our own, whose runs, split and score were written down before any run."""

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.early_warning.courses import as_kept, course_of
from grokinterp.reproduction.early_warning.outcome import outcome
from grokinterp.reproduction.early_warning.settings import BLOCKS, STEPS, drawn
from grokinterp.reproduction.target import at_least, at_most
from grokinterp.runs.run import Run


@claim(
    "early-warning",
    "The early-warning bench (ours), held-out half",
    "Before a run groks, the latent circuit announces it earlier than the network's accuracy on unswapped rows does, "
    "and seldom in vain.",
    {
        "latent accuracy ahead of unswapped accuracy, low end": at_least(0.0),
        "latent accuracy, false alarms": at_most(0.2),
    },
    recipe=f"{BLOCKS * 12} runs drawn from 432 by a written rule, {STEPS:,} steps at most; thresholds are chosen on "
    "half of the settings, and what is measured is of the other half. The targets were set before any run.",
    measured="the mean difference of lead over the step of grokking, run by run, and the low end of its 95 % bootstrap "
    "interval; share of false alarms among the runs that do not grok",
    trainings=[run.training for run in drawn()],
    minutes=5,
    # A network that only memorises is no null here: half of the runs are such.
    by_heart=True,
)
def early_warning(*runs: Run) -> Values:
    return outcome(as_kept([course_of(run) for run in runs]))
