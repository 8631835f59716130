"""Splits that stand in a file: used, checked, and said; what cannot be one is said too, and not used."""

import numpy as np
import pytest
import torch

import grokinterp as gi
from grokinterp.importers import describe
from grokinterp.importers._splits import recorded_split

P = 5
TASK = gi.Task("a + b", p=P, layout="a b =")
ROWS = [3, 7, 11, 20]
MASK = torch.zeros(P * P, dtype=torch.bool)
MASK[ROWS] = True
OTHERS = (~MASK).nonzero().flatten()
PAIRS = [(row // P, row % P) for row in ROWS]


@pytest.mark.parametrize(
    "content",
    [
        {"train_idx": ROWS},
        {"train_indices": torch.tensor(ROWS), "test_indices": OTHERS},
        {"idx_train": np.array(ROWS, dtype=np.int32)},
        {"test_idx": OTHERS},
        {"train_mask": MASK},
        {"is_train": MASK.reshape(P, P)},
        {"train_mask": MASK.float()},
        {"split": {"train": ROWS, "test": OTHERS.tolist()}},
        {"extras": {"splits": {"train_rows": torch.tensor(ROWS)[:, None]}}},
        {"train_data": torch.tensor(PAIRS)},
        {"train_pairs": PAIRS},
        {"trainData": [((a, b), (a + b) % P) for a, b in PAIRS]},
        {"train_set": [[a, b, (a + b) % P] for a, b in PAIRS]},
        {"X_train": TASK.inputs[MASK], "y_train": TASK.labels[MASK]},
        {"train_dataset": (torch.tensor(PAIRS), torch.tensor([0, 1, 2, 3]))},
        {"data": {"train": {"x": torch.tensor(PAIRS), "y": torch.tensor([0, 1, 2, 3])}}},
        {"train_inputs": torch.tensor([(a, b, 17) for a, b in PAIRS])},
    ],
    ids=lambda content: "-".join(content),
)
def test_a_recorded_split_is_the_runs(content):
    found = recorded_split({"model": {"w": torch.ones(2, 2)}, **content}, TASK)
    assert found.task.is_train is not None and torch.equal(found.task.is_train, MASK)
    (said,) = found.assumptions
    assert said.what == "split: 4 of 25 rows trained on" and said.how == "from the file"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"train_idx": [3, 25]}, "train_idx names row 25, and the table has rows 0 to 24"),
        ({"train_idx": [-1, 3]}, "train_idx names row -1"),
        ({"train_idx": [3, 3]}, "train_idx names 1 rows twice"),
        ({"train_idx": ROWS, "val_idx": [7, 8]}, "1 rows stand in train_idx and in val_idx"),
        ({"train_mask": torch.ones(24, dtype=torch.bool)}, "train_mask is a mask of 24 rows, and the table has 25"),
        ({"train_mask": MASK & False}, "train_mask names no row"),
        ({"train_pairs": [(0, 1), (0, 9)]}, "train_pairs holds what are no questions of this table"),
        ({"train_set": [[0, 1, 4], [2, 2, 1]]}, "train_set holds what are no questions of this table"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_cannot_be_a_split_of_the_table_is_said(content, why):
    found = recorded_split(content, TASK)
    assert found.task.is_train is None and not found.assumptions
    assert why in found.notes[0] and "not recorded" in found.notes[0]


@pytest.mark.parametrize(
    "content",
    [
        {"train_loss": [2.3, 1.1], "train_losses": torch.ones(25), "train_acc": 1.0},
        {"train": [0, 1, 2]},
        {"config": {"train_split": 0.3, "frac_train": 0.3, "train_data": "pairs.pt"}},
        {"data": {"train": [2.3, 1.1]}},
        {"train_loader": None, "n_train": 4, "train_steps": 100},
    ],
)
def test_what_is_no_split_is_none(content):
    found = recorded_split(content, TASK)
    assert found.task.is_train is None and not found.notes and not found.assumptions


def test_the_split_of_a_file_is_told_and_measured(data, tmp_path):
    """Its rows are counted as the task's, told by `info`, and the seed that drew them stays unknown."""
    task = gi.Task("a + b", p=11, layout="a b =")
    state = torch.load(data("cases/w_plain.pt"))
    torch.save({"model": state, "train_idx": torch.arange(0, 121, 3)}, tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task=task)
    assert run.task.is_train is not None and run.task.is_train.nonzero().flatten().tolist() == [*range(0, 121, 3)]
    assert "from the file, split: 41 of 121 rows trained on: train_idx" in describe(run)
    assert not run.is_seed_known and "trained on: 41 of 121 rows" in describe(run)
    torch.save({"model": state, "train_idx": torch.arange(0, 121, 3) + 7}, tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt", task=task)
    assert run.task.is_train is None and "names row 127" in describe(run)


def test_rows_that_the_weights_do_not_know_are_remarked(tmp_path):
    """A table of one half of the rows, in a file that says it saw the other."""
    task = gi.Task("a + b", p=P, layout="a b").split(frac=0.5, seed=0)
    lookup = gi.build("lookup", task=task)
    W_in, W_U = lookup.final.parameters["blocks.0.mlp.W_in"], lookup.final.parameters["unembed.W_U"]
    state = {"mlp.W_in": W_in.T.float(), "mlp.W_out": W_U.T.float()}
    for rows, is_remarked in ((~task.is_train, True), (task.is_train, False)):
        torch.save({"model": state, "train_idx": rows.nonzero().flatten()}, tmp_path / "x.pt")
        run = gi.load(tmp_path / "x.pt", task=gi.Task("a + b", p=P, layout="a b"))
        assert torch.equal(run.task.is_train, rows)
        assert ("it may number its rows otherwise" in describe(run)) == is_remarked


def test_a_split_of_the_demos_file_that_fits_no_table_is_no_traceback(tmp_path):
    """TransformerLens' kind, whose split tells the modulus."""
    from grokinterp.config import TransformerConfig
    from grokinterp.models.initialisation import initialise

    config = TransformerConfig(d_model=8, n_heads=2, d_vocab=P + 1, d_vocab_out=P, n_ctx=3)
    content = {"model": dict(initialise(config, 0)), "config": {"n_heads": 2}, "train_indices": [3, 900]}
    torch.save({**content, "test_indices": [*range(23)]}, tmp_path / "x.pt")
    run = gi.load(tmp_path / "x.pt")
    assert run.task.is_train is None and "names row 900" in describe(run)
