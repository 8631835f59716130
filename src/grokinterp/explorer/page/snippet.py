"""Snippet: the Python that gives the numbers of a state."""

from typing import Any

from grokinterp.explorer.session import Session
from grokinterp.explorer.state import Pair, State


def snippet(session: Session, state: State) -> str:
    """A script that opens the run, takes the same parts out and ends with the table `after` of the same numbers.

    Where the split is known, `before` is read by `gi.measure`, and both are printed. `state` is a resolved one.
    """
    assert state.run is not None
    request = session.request(state)
    task = session.runs[state.run].task
    sides = "split" if task.is_train is not None else "rows"
    if task.is_train is not None and (task.labels.ndim == 2 or not task.is_train.any()):
        sides = "first"
    lines = [
        "import torch",
        "from torch.nn.functional import cross_entropy",
        "",
        "import grokinterp as gi",
        *([f"from grokinterp.interventions import {_all_but(request)}"] if state.keep and state.frequencies else []),
        "",
        f"run = {session.loading[state.run]}",
        f"checkpoint, task = run[{state.step}], run.task",
        *(
            [f'before = gi.measure(run, ["loss"], steps=[{state.step}], progress=False).isel(step=0)']
            * (sides == "split")
        ),
        "",
        "model = checkpoint.model()",
        *_block(state, request),
        "logits = logits[:, :, : task.n_answers][:, task.positions[0]].double()",
        "",
        *_SCORES[sides],
    ]
    return "\n".join(lines) + "\n"


_SCORES = {
    "split": [
        "labels = torch.where(task.is_train, task.train_labels.view(len(logits), -1)[:, 0], task.answer_labels)",
        'loss = cross_entropy(logits, labels, reduction="none")',
        "right = (logits.argmax(1) == labels).double()",
        "after = {}",
        'for side, rows in {"train": task.is_train, "test": ~task.is_train}.items():',
        '    after[f"{side}_loss"] = loss[rows].mean().item()',
        '    after[f"{side}_accuracy"] = right[rows].mean().item()',
        "for name, value in after.items():",
        '    print(f"{name}: {float(before[name]):.6g} -> {value:.6g}")',
    ],
    "first": [
        "labels = task.answer_labels",
        'loss = cross_entropy(logits, labels, reduction="none")',
        "right = (logits.argmax(1) == labels).double()",
        'sides = {"train": task.is_train, "test": ~task.is_train}',
        "after = {}",
        "for side, rows in sides.items():",
        "    if rows.any():",
        '        after[f"{side}_loss"] = loss[rows].mean().item()',
        '        after[f"{side}_accuracy"] = right[rows].mean().item()',
        "print(after)  # of the first answer of each row of the task's table",
    ],
    "rows": [
        'loss = cross_entropy(logits, task.answer_labels, reduction="none")',
        "right = (logits.argmax(1) == task.answer_labels).double()",
        'after = {"all_loss": loss.mean().item(), "all_accuracy": right.mean().item()}',
        "print(after)  # the split of this file is not known",
    ],
}


def _block(state: State, request: dict[str, Any]) -> list[str]:
    if not request:
        return ["with torch.no_grad():", "    logits = model(task.inputs)"]
    arguments = []
    for name, value in request.items():
        match name:
            case "heads":
                argument = repr(list(value))
            case "neurons":
                argument = _neurons(value)
            case "frequencies" | "irreps" if state.keep:
                argument = f"{_all_but(request)}(task, {list(state.frequencies)})"
            case "frequencies" | "irreps" | "components":
                argument = repr(list(value))
            case _:
                argument = repr(value)
        arguments.append(f"    {name}={argument},")
    return [
        "with torch.no_grad(), gi.ablate(",
        "    model,",
        *arguments,
        "):",
        "    logits = model(task.inputs)",
    ]


def _all_but(request: dict[str, Any]) -> str:
    return "all_irreps_but" if "irreps" in request else "all_frequencies_but"


def _neurons(pairs: tuple[Pair, ...]) -> str:
    """Pairs as a list; layer by layer where that is shorter."""
    layers = sorted({layer for layer, _ in pairs})
    if len(pairs) <= 4:
        return repr(list(pairs))
    parts = [f"*(({layer}, m) for m in {[m for at, m in pairs if at == layer]})" for layer in layers]
    return f"[{', '.join(parts)}]"
