"""Zhong et al. 2023, "The Clock and the Pizza" (arXiv 2306.17844): the models and tables saved in their repository.

Targets are what their notebooks print and their tables hold, or (where it says so) an independent reading.
"""

from pathlib import Path

import pandas as pd

from grokinterp.analysis import public_runs
from grokinterp.circuits.clock_pizza import gradient_symmetricity
from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.reading import final, last, saved, wrong_share
from grokinterp.reproduction.target import Target, at_most, near

PAPER = "Zhong et al. 2023 (saved models)"
READ = "The authors' saved weights; nothing is trained."


def model(name: str) -> str:
    """Where a saved model lies."""
    return f"pizza/model_{name}.pt"


A, BETA, DELTA_KIND = model("p99zdpze5l"), model("p71frej8t7"), model("7r4zst7evs")
TABLES = ("pizza/1l_fixedwidth.csv", "pizza/1l_varywidth.csv")
SAVED = ("18c9ev5v5p", "2fsoiei4o2", "2k4ohj6bhd", "7r4zst7evs", "p71frej8t7", "p99zdpze5l", "q9rsl94xlv", "w386br1duh")


@claim(
    "pizza-saved-accuracy",
    f"{PAPER}, `code/save`",
    "Eight of the saved models answer every pair mod 59.",
    {"share of wrong rows": at_most(0)},
    recipe=f"{READ} Of their nineteen, those eight that were at hand.",
    measured="share of the 3,481 rows that are answered wrongly",
    files=[model(name) for name in SAVED],
)
def accuracy(*paths: Path) -> Values:
    return {
        "share of wrong rows": {path.stem.removeprefix("model_"): wrong_share(final(saved(path))) for path in paths}
    }


def _measures(path: Path) -> dict[str, float]:
    end = last(saved(path), "clock_pizza", "embedding")
    return {
        "gradient symmetricity": end.gradient_symmetricity.item(),
        "distance irrelevance": end.distance_irrelevance.item(),
        "circularity": end.circularity.item(),
    }


def _targets(gs: float, di: float, circularity: float, within: float = 1e-5) -> dict[str, Target]:
    values = {"gradient symmetricity": gs, "distance irrelevance": di, "circularity": circularity}
    return {name: near(value, within) for name, value in values.items()}


@claim(
    "pizza-saved-model-a",
    f"{PAPER}, notebook eval-main",
    "Model A, without attention, is a pizza: gradient symmetricity 0.99367, distance irrelevance 0.17174.",
    _targets(0.9936651683, 0.1717364566, 0.9978184479),
    recipe=READ,
    measured="GS over their 100 triples, DI of the correct logit, circularity of the embedding",
    files=[A],
)
def model_a(path: Path) -> Values:
    return _measures(path)


@claim(
    "pizza-saved-model-beta",
    f"{PAPER}, notebook eval-linear",
    "Model beta, which sees only the sum of the embeddings, is a pizza: symmetricity 1, distance irrelevance 0.23020.",
    _targets(1.0, 0.2302049165, 0.9950419961),
    recipe=READ,
    measured="GS over their 100 triples, DI of the correct logit, circularity of the embedding",
    files=[BETA],
)
def model_beta(path: Path) -> Values:
    return _measures(path)


@claim(
    "pizza-saved-concatenated",
    f"{PAPER}, model 7r4zst7evs (an independent reading)",
    "A model that concatenates its embeddings is no pizza: gradient symmetricity -0.0024, distance irrelevance 0.9631.",
    _targets(-0.0024, 0.9631, 0.9910, 1e-4),
    recipe=READ,
    measured="GS over their 100 triples, DI of the correct logit, circularity of the embedding",
    files=[DELTA_KIND],
)
def concatenated(path: Path) -> Values:
    return _measures(path)


ROWS = ("18c9ev5v5p", "2fsoiei4o2", "2k4ohj6bhd", "w386br1duh")


@claim(
    "pizza-saved-table",
    f"{PAPER}, `result/1l_*.csv`",
    "The measures of the saved models are those in the rows of the published tables.",
    {
        "difference in gradient symmetricity": near(0, 1e-5),
        "difference in distance irrelevance": near(0, 1e-5),
        "difference in circularity": near(0, 1e-4),
    },
    recipe=f"{READ} The tables' DI is of the runner-up logit; for two vocabularies their GS reads the first one's "
    "tokens for both operands, and so does ours here.",
    measured="ours less the table's, for the saved models that are in a table",
    files=[*TABLES, *(model(name) for name in ROWS)],
)
def table(fixed: Path, varied: Path, *paths: Path) -> Values:
    rows = pd.concat([pd.read_csv(fixed), pd.read_csv(varied)]).drop_duplicates("runid").set_index("runid")
    found: dict[str, dict[str, float]] = {}
    for path in paths:
        name, run = path.stem.removeprefix("model_"), saved(path)
        end, row = last(run, "clock_pizza", "embedding"), rows.loc[path.stem.removeprefix("model_")]
        gs = gradient_symmetricity(run.final.model(), run.task, own_tokens=False)
        ours = {
            "gradient symmetricity": gs - row.gradient_sim,
            "distance irrelevance": end.distance_irrelevance_runner_up.item() - row.distance_irrelevance,
            "circularity": end.circularity.item() - row.circularity,
        }
        for measure, difference in ours.items():
            found.setdefault(f"difference in {measure}", {})[name] = float(difference)
    return found


# -- their tables


@claim(
    "pizza-saved-figures",
    f"{PAPER}, `result/*.svg`",
    "The figures draw 817 and 466 runs: one layer, tokens a b, circularity above 0.995.",
    {"fixed width": near(817, 0), "varied width": near(466, 0), "both, in the shipped table": near(817 + 466, 0)},
    recipe="The published tables, filtered; nothing is trained. One marker a run in the figures.",
    measured="rows after the filter, and the runs of `grokinterp.analysis.public_runs` that pass it",
    files=TABLES,
)
def figures(*paths: Path) -> Values:
    fixed, varied = (len(_drawn(path)) for path in paths)
    shipped = public_runs.count(public_runs.chosen("one", plain=True, circular=True))
    return {"fixed width": fixed, "varied width": varied, "both, in the shipped table": shipped}


def _drawn(path: Path) -> pd.DataFrame:
    runs = pd.read_csv(path)
    one = (runs.n_layers == 1) & (runs.diff_vocab == 0) & (runs.eqn_sign == 0)
    return runs.loc[one & (runs.circularity > 0.995)]


MEDIANS = {"0.0": (0.994, 0.200), "0.2": (0.992, 0.240), "0.4": (0.993, 0.256), "0.6": (0.750, 0.627)} | {
    "0.7": (0.624, 0.697),
    "0.9": (0.451, 0.828),
}


@claim(
    "pizza-saved-transition",
    f"{PAPER}, `result/1l_fixedwidth.csv` and its figures",
    "As the attention rate rises from 0 to 1, median gradient symmetricity falls from 0.99 to 0.45 and distance "
    "irrelevance rises from 0.20 to 0.83, most of it between rates 0.5 and 0.8.",
    {f"GS at {low}": near(gs, 0.001) for low, (gs, _) in MEDIANS.items()}
    | {f"DI at {low}": near(di, 0.001) for low, (_, di) in MEDIANS.items()},
    recipe="The published table of runs of width 128, those the figures draw; nothing is trained.",
    measured="medians over the runs of a tenth of the attention rate",
    files=TABLES[:1],
)
def transition(path: Path) -> Values:
    runs = _drawn(path)
    tenth = (10 * runs.attn_coeff).astype(int).clip(upper=9)
    medians = runs.groupby(tenth)[["gradient_sim", "distance_irrelevance"]].median()
    at = lambda low, column: float(medians.loc[round(10 * float(low)), column])
    return {f"GS at {low}": at(low, "gradient_sim") for low in MEDIANS} | {
        f"DI at {low}": at(low, "distance_irrelevance") for low in MEDIANS
    }
