"""Nulls of claims: what a network meets that learnt nothing, or only rows by heart, bears nothing out."""

import shutil
import subprocess

import pytest
import torch

from grokinterp.errors import BadRequest
from grokinterp.models.initialisation import initialise
from grokinterp.reproduction import Bench, Claim, Places, attempt, every_claim, measure_nulls, stored
from grokinterp.reproduction.needed_run import training
from grokinterp.reproduction.nulls import memoriser, untrained
from grokinterp.reproduction.paths import repository
from grokinterp.reproduction.reading import final, recorded, saved, wrong_share
from grokinterp.reproduction.result import fixed_in
from grokinterp.reproduction.target import at_least, at_most
from grokinterp.runs.writer import save_run

SMALL = {"p": 7, "d_model": 16, "n_heads": 2, "frac": 0.5, "seed": 0, "metrics_every": 10, "checkpoint_every": 100}
WANTED = training("a + b", 1.0, steps=300, **SMALL)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    place = tmp_path_factory.mktemp("nulls")
    return Bench([place / "runs"], place / "data", threads=1, progress=False)


def curves(run):
    """What a claim would read off a run: where its curves end."""
    return {name: recorded(run, name)[1][-1].item() for name in ("train_accuracy", "test_accuracy", "test_loss")}


def claim_on(measure, targets, trainings=(WANTED,), **more):
    return Claim(
        "made", "Nobody 2000, table 1", "It is so.", "As it was.", "how it is", targets, measure, trainings, **more
    )


RESULTS = stored(Places.of().results)
LEARNT = {"train_accuracy": at_least(0.9), "test_accuracy": at_least(0.5), "test_loss": at_least(0)}


@pytest.fixture(scope="module")
def nulls(bench):
    return measure_nulls(claim_on(curves, LEARNT), bench)


def test_one_null_has_learnt_nothing_and_the_other_only_its_rows(nulls):
    assert nulls["untrained"]["train_accuracy"] < 0.6 and nulls["untrained"]["test_accuracy"] < 0.6
    assert nulls["memoriser"]["train_accuracy"] == 1 and nulls["memoriser"]["test_accuracy"] < 0.4


def test_a_claim_of_a_formula_needs_no_run_and_has_no_null(bench):
    """Any other is refused: what is measured on nothing is no measurement."""
    of_formula = claim_on(lambda: {"x": 1.0}, {"x": at_least(1)}, (), derived=True)
    assert measure_nulls(of_formula, bench) == {} and attempt(of_formula, bench).outcome == "reproduced"
    with pytest.raises(BadRequest, match="needs a run or a file to be measured on, or has to be derived"):
        claim_on(curves, LEARNT, ())


def test_no_step_moves_a_weight_of_the_untrained(bench):
    run = bench.altered(untrained).run(WANTED)
    initial = initialise(run.config.model, run.config.seed)
    assert len(run.steps) > 1
    for step in run.steps:
        parameters = run[step].parameters
        assert all(torch.equal(parameters[name], initial[name]) for name in initial)


def test_the_memoriser_is_trained_on_no_right_answer(bench):
    task = bench.altered(memoriser).run(WANTED).task
    assert not (task.train_labels == task.labels)[task.is_train].any()


def test_a_memoriser_has_five_hundred_steps_at_most_and_no_decay():
    """Of a short run its own number; all of its training rows are mislabelled."""
    config = WANTED.config()
    of = {steps: memoriser(config.replace(steps=steps, weight_decay=1.0)) for steps in (300, 500, 5000)}
    assert [one.schedule.steps for one in of.values()] == [300, 500, 500]
    assert {(one.optimiser.weight_decay, one.split.mislabelled) for one in of.values()} == {(0.0, 24)}


def test_a_target_that_a_null_meets_is_vacuous(nulls):
    claim = claim_on(curves, LEARNT)
    assert claim.vacuous(nulls) == ["train_accuracy", "test_loss"]
    assert claim.vacuous({"untrained": nulls["untrained"]}) == ["test_loss"]


def test_vacuous_targets_alone_bear_nothing_out(nulls):
    solved = {"train_accuracy": 1.0, "test_accuracy": 0.9, "test_loss": 0.1}
    judge = claim_on(curves, LEARNT).judge
    assert judge(solved, nulls) == "reproduced"
    assert judge({**solved, "test_accuracy": 0.1}, nulls) == "not reproduced"
    assert judge({**solved, "test_accuracy": 0.1}) == "partly"
    alone = claim_on(curves, {"test_loss": at_least(0)})
    assert alone.judge(solved, nulls) == "cannot be compared"
    assert alone.judge({"test_loss": -1.0}, nulls) == "not reproduced"  # it could fail, and did


def test_a_part_that_a_null_misses_bites():
    """A target of several seeds is vacuous only where the null meets it for each."""
    claim = claim_on(lambda run: {}, {"x": at_least(1)})
    assert claim.vacuous({"untrained": {"x": {"seed 0": 2.0, "seed 1": 2.0}}}) == ["x"]
    assert claim.vacuous({"untrained": {"x": {"seed 0": 2.0, "seed 1": 0.0}}}) == []


def test_what_a_null_has_not_at_all_is_not_met(bench):
    def fails(run):
        raise IndexError("no key frequency")

    claim = claim_on(fails, {"x": at_most(1)})
    nulls = measure_nulls(claim, bench)
    assert nulls == {"untrained": {}, "memoriser": {}} and claim.vacuous(nulls) == []


def test_a_memoriser_is_no_null_of_memorising_nor_of_endless_data(bench):
    assert set(measure_nulls(claim_on(curves, LEARNT, by_heart=True), bench)) == {"untrained"}
    assert set(measure_nulls(claim_on(curves, LEARNT, of_rows=True), bench)) == {"memoriser"}
    endless = training("digits", 1.0, preset="digits", digits=1, data="infinite", steps=20, d_model=8, n_heads=2)
    found = measure_nulls(claim_on(lambda run: {"x": 0.0}, {"x": at_least(1)}, (endless,)), bench)
    assert set(found) == {"untrained"}


def test_a_saved_file_is_read_without_its_training(bench):
    run = bench.altered(memoriser).run(WANTED)
    bench.data.mkdir(exist_ok=True)
    save_run(run, bench.data / "theirs", overwrite=True)
    right = lambda path: {"right": 1 - wrong_share(final(saved(path)))}
    claim = claim_on(right, {"right": at_least(0)}, trainings=(), files=("theirs",))
    found = measure_nulls(claim, bench)["untrained"]["right"]
    assert found < 0.6 and found != right(bench.data / "theirs")["right"]


def test_a_result_keeps_its_nulls_and_the_commit_that_measured_it(bench, nulls):
    result = attempt(claim_on(curves, LEARNT), bench.altered(memoriser), nulls)
    assert result.nulls == nulls
    root = repository()
    if root is None or shutil.which("git") is None or not (root / ".git").exists():
        pytest.skip("no clone of the repository with git")
    head = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert result.commit is not None and head.startswith(result.commit.rstrip("+"))


def test_a_target_is_fixed_before_the_result_that_says_so():
    """Its commit is that of the result, or comes before it, and the targets are those of that day."""
    root = repository()
    for claim, result in ((claim, RESULTS[claim.id]) for claim in every_claim() if claim.id in RESULTS):
        if result.fixed_in in (None, "after"):
            continue
        assert set(result.targets) == set(result.targets) & set(result.values), claim.id
        assert result.commit is not None, claim.id
        commits = [result.fixed_in, result.commit.rstrip("+")]
        git = lambda *words: subprocess.run(["git", "-C", str(root), *words], capture_output=True).returncode == 0
        if all(git("cat-file", "-e", f"{commit}^{{commit}}") for commit in commits):  # a shallow clone lacks them
            assert git("merge-base", "--is-ancestor", *commits), claim.id


def test_a_claim_that_is_being_written_has_no_fixed_target(tmp_path, monkeypatch):
    """Its file has to be committed; then it is that commit, also when others follow."""

    def git(*words):
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    monkeypatch.setattr("grokinterp.reproduction.result.repository", lambda: tmp_path)
    file = tmp_path / "made.py"
    monkeypatch.setattr(Claim, "file", file)
    claim = claim_on(curves, LEARNT)
    git("init", "-q")
    file.write_text("at_least(1)")
    assert fixed_in(claim) == "after"
    git("add", "made.py")
    git("commit", "-q", "-m", "target")
    first = git("rev-parse", "HEAD")
    (tmp_path / "other").write_text("else")
    git("add", "other")
    git("commit", "-q", "-m", "other")
    assert first.startswith(fixed_in(claim)) and git("rev-parse", "HEAD") != first
    file.write_text("at_least(0)")
    assert fixed_in(claim) == "after"
