"""Files of Zhong et al. 2023's code: `model_x.pt`, a bare state dict, with its settings in `config_x.json` beside it.

Transformers are in Nanda's early orientation, bidirectional (`attention_dir` of the config is never used there), with
an attention rate that only the config tells; the Linear models A, B, C, D and X are `nn.Embedding` and `nn.Linear`.
Saved after the last of `epoch` full-batch updates; the split was drawn without a seed.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor

from grokinterp.config import ModelConfig, RunConfig, TaskConfig
from grokinterp.config.presets import preset
from grokinterp.errors import listed
from grokinterp.importers._base import Importer, ImportFileError, Payload
from grokinterp.importers._parameters import float_tensors, from_early, is_early, norms_of
from grokinterp.importers.reading.candidates import Candidate
from grokinterp.importers.reading.classic import File, settle
from grokinterp.importers.reading.contradictions import stated_assumptions
from grokinterp.importers.reading.snapshots import nan_among
from grokinterp.models.parameters import check_parameters
from grokinterp.runs.provenance import Assumption, Provenance
from grokinterp.runs.run import UNKNOWN_TASK, Run, check_fits
from grokinterp.runs.store import MemoryStore
from grokinterp.tasks import Task, build

ACTIVATIONS = {"ReLU": "relu", "GeLU": "gelu", "Tanh": "tanh"}
LINEAR_TYPES = "ABCDX"
SIZES = ("n_layers", "d_model", "n_heads")
HABITS = {"attention_direction": ("bidirectional", "their code has no other attention, whatever attention_dir says")}
_ADDITION = re.compile(r"lambda x: ?\(x\[0\] ?\+ ?x\[1\]\) ?% ?(\d+)")


def recognise(payload: Payload) -> bool:
    return is_early(payload.content) or _is_linear(payload.content)


def _is_linear(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    tables = {"embed.weight"} & content.keys() or {"embed1.weight", "embed2.weight"} <= content.keys()
    return bool(tables) and {"unembed.weight", "l1.weight"} <= content.keys()


def read(payload: Payload) -> Run:
    settings = payload.settings
    if settings is None:
        raise ImportFileError(_missing_config(payload))
    where = str(payload.config_path)
    parameters = float_tensors(payload.content, str(payload.path))
    notes = ["the split is unknown: the code drew it without a seed"]
    linear = "model_type" in settings
    task = payload.task or _task(settings, where, notes)
    model, classic, assumptions = (_linear if linear else _transformer)(payload, parameters, settings, task)
    base = preset(f"pizza_linear_{settings['model_type'].lower()}" if linear else "pizza")
    config = RunConfig(
        preset=base.preset,
        task=task.config() if task else UNKNOWN_TASK,
        split=dataclasses.replace(base.split, frac=_number(settings, "frac", where)),
        model=model,
        optimiser=dataclasses.replace(
            base.optimiser,
            lr=_number(settings, "lr", where),
            weight_decay=_number(settings, "weight_decay", where),
        ),
        schedule=dataclasses.replace(base.schedule, steps=int(_number(settings, "epoch", where))),
    )
    steps, optimiser = config.schedule.steps, config.optimiser
    betas = f"AdamW, betas {optimiser.beta1:g} and {optimiser.beta2:g}"
    assumptions = [
        Assumption(f"step {steps}", "from the file", "epoch"),
        Assumption(betas, "assumed", "those of their code; the file does not say"),
        *assumptions,
        *nan_among(classic),
    ]
    provenance = Provenance.of_file(
        PIZZA.name, payload.path, notes, settings_file=str(payload.config_path), assumptions=tuple(assumptions)
    )
    store = MemoryStore({steps: lambda: classic})
    return Run(store, payload.name, config, task, payload.path, provenance)


def _missing_config(payload: Payload) -> str:
    name = payload.config_path.name
    if _is_linear(payload.content):
        return (
            f"{payload.path} looks like a Linear model of Zhong et al. 2023, but {name} is not beside it, and weights "
            f"do not tell its type or modulus; put that file there, or give format='state_dict' and the task"
        )
    least = (
        '{"C": 59, "attn_coeff": 1.0, "act_fn": "ReLU", "frac": 0.8, "lr": 0.001, "weight_decay": 2, "epoch": 20000}'
    )
    return (
        f"{payload.path} is a transformer of Zhong et al. 2023's (or Nanda's) code, but {name} is not beside it, and "
        f"weights do not tell the attention rate; put that file there, as in {least}, or give format='nanda'"
    )


def _number(settings: Mapping[str, Any], name: str, where: str) -> float:
    value = settings.get(name)
    if isinstance(value, (int, float)):
        return float(value)
    raise ImportFileError(f"{where} has {name}={value!r}, where a number is needed; fetch it again")


def _task(settings: Mapping[str, Any], where: str, notes: list[str]) -> Task | None:
    """Addition mod C; `diff_vocab` gives b tokens of its own, `eqn_sign` ends the row with '='."""
    p = int(_number(settings, "C", where))
    formula = settings.get("funcs")
    found = _ADDITION.fullmatch(formula.strip()) if isinstance(formula, str) else None
    if formula and (found is None or int(found[1]) != p):
        notes.append(f"the task {formula!r} is not addition mod {p} and unknown here; give it to load(..., task=...)")
        return None
    layout = f"{'a b+p' if settings.get('diff_vocab') else 'a b'}{' =' if settings.get('eqn_sign') else ''}"
    return build(TaskConfig("a + b", {"p": p, "layout": layout}))


def _transformer(
    payload: Payload, parameters: Mapping[str, Tensor], settings: Mapping[str, Any], task: Task | None
) -> tuple[ModelConfig, dict[str, Tensor], list[Assumption]]:
    where, stated = str(payload.config_path), payload.stated.fields
    told: dict[str, tuple[Any, str]] = {}
    if "activation" not in stated:
        name = settings.get("act_fn")
        if name not in ACTIVATIONS:
            raise ImportFileError(f"{where} has act_fn={name!r}; known here are {listed(ACTIVATIONS)}")
        told["activation"] = (ACTIVATIONS[name], f"act_fn={name}")
    if "attention_rate" not in stated:
        rate = _number(settings, "attn_coeff", where)
        told["attention_rate"] = (rate, f"attn_coeff={settings['attn_coeff']}")
    classic = from_early(parameters)
    file = File([classic], told | norms_of(classic), HABITS, {"initialisation": "pizza"}, where, settings)
    config, checkpoints, assumptions = settle(file, payload.stated, task)
    for name in SIZES:
        if name in settings and settings[name] != getattr(config, name):
            raise ImportFileError(
                f"{where} has {name}={settings[name]} and the weights {getattr(config, name)}; it is not their config"
            )
    return config, checkpoints[0], assumptions


def _linear(
    payload: Payload, parameters: Mapping[str, Tensor], settings: Mapping[str, Any], task: Task | None
) -> tuple[ModelConfig, dict[str, Tensor], list[Assumption]]:
    where = str(payload.config_path)
    letter = settings["model_type"]
    if letter not in LINEAR_TYPES:
        raise ImportFileError(f"{where} has model_type={letter!r}; known here are {listed(LINEAR_TYPES)}")
    tables = {"embed": "embed", "embed1": "embed", "embed2": "embed_b"}
    classic = {}
    for name, value in parameters.items():
        stem, _, kind = name.rpartition(".")
        layer = re.fullmatch(r"l(\d+)", stem)
        if layer:
            block = f"blocks.{int(layer[1]) - 1}.mlp"
            classic |= {f"{block}.W_in": value.mT} if kind == "weight" else {f"{block}.b_in": value}
        elif stem in tables:
            classic[f"{tables[stem]}.W_E"] = value
        elif name == "unembed.weight":
            classic["unembed.W_U"] = value.mT
        else:
            raise ImportFileError(
                f"{name} has no place in a Linear model, whose parameters are embed, embed1, embed2, l1, l2 and unembed"
            )
    config = preset(f"pizza_linear_{letter.lower()}").model
    hidden = tuple(value.shape[1] for name, value in sorted(classic.items()) if name.endswith("W_in"))
    stated = payload.stated.fields
    changes = {"d_embed": classic["embed.W_E"].shape[1], "hidden_sizes": hidden}
    if "activation" in stated:
        changes["activation"] = stated["activation"]
    model = cast(Any, dataclasses.replace(config, **changes))  # of a preset's family, which only its name tells
    assumptions = stated_assumptions(payload.stated, Candidate(model, classic, {}), settings, where)
    if "combine" not in stated:
        assumptions.append(Assumption(f"combine={model.combine}", "from the file", f"model_type={letter}"))
    if "activation" not in stated:
        why = "the code of the Linear models has no other"
        assumptions.append(Assumption(f"activation={model.activation}", "assumed", why))
    if task is None:
        return model, classic, assumptions
    check_fits(task, model, payload.name)
    resolved = model.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    check_parameters(resolved, classic)
    return resolved, classic, assumptions


PIZZA = Importer("pizza", "models of Zhong et al. 2023, with their config_*.json (.pt)", recognise, read)
