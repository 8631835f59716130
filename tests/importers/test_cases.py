"""Files as people save them: each is read as what it is, or refused with what would work."""

import json

import pytest
import torch

import grokinterp as gi
from grokinterp.cli.measure_command import run as measure
from grokinterp.importers import describe
from grokinterp.importers._evidence import measured

PLAIN = (1.0, 0.0012132)
ONE_LAYER = gi.Task("a + b", p=11, layout="a b =")


def how(run):
    """What was settled -> how it is known."""
    return {assumption.what: assumption.how for assumption in run.assumptions}


def told(run):
    return "\n".join([*map(str, run.assumptions), *run.provenance.notes])


def values(run):
    numbers = measured(run.final.config, run.final.parameters, run.task)
    return numbers["accuracy"], numbers["loss"]


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("w_plain", 0),
        ("w_module_prefix", 0),
        ("w_model_key_opt", 400),
        ("w_list_states", 0),
        ("w_params_key", 0),
        ("w_path", 0),
        ("w_namespace", 0),
    ],
)
def test_wrappings_do_not_matter(data, name, step):
    """The same weights under prefixes and keys, in lists, beside paths and namespaces: one run, at the file's step."""
    run = gi.load(data(f"cases/{name}.pt"), task=ONE_LAYER)
    assert values(run) == pytest.approx(PLAIN, rel=1e-4)
    assert run.steps == [step]
    assert how(run)["activation=relu"] == "tied" and how(run)["n_heads=4"] == "inferred"  # with its leaky copy
    assert how(run).get("step 400") == ("from the file" if step else None)


@pytest.mark.parametrize(
    ("name", "loss", "field"),
    [
        ("w_h8", 0.00051632, ("n_heads", 8)),
        ("w_silu", 0.0020041, ("activation", "silu")),
        ("w_tied", 0.022619, ("tied_unembed", True)),
    ],
)
def test_what_weights_leave_open_is_found_out(data, name, loss, field):
    """Eight heads, SiLU (with GELU the same weights have a smaller loss), an unembedding saved twice."""
    run = gi.load(data(f"cases/{name}.pt"), task=ONE_LAYER)
    assert getattr(run.final.config, field[0]) == field[1]
    assert values(run) == pytest.approx((1.0, loss), rel=1e-4)


def test_what_is_stated_is_never_overridden(data):
    """Even where the weights say otherwise; text is a task, and every other field is judged with what is stated."""
    run = gi.load(data("cases/w_silu.pt"), task="a + b", p=11, layout="a b =", activation="relu")
    assert run.final.config.activation == "relu" and how(run)["activation=relu"] == "stated"
    assert values(run)[1] == pytest.approx(0.0028388, rel=1e-3)
    with pytest.raises(gi.BadRequest, match=r"'heads' is nothing that can be stated.*n_heads"):
        gi.load(data("cases/w_silu.pt"), task=ONE_LAYER, heads=4)


def test_a_tensor_that_is_no_number_is_named(data):
    """NaN among the weights: which tensor, and no reading is told as if it explained anything."""
    run = gi.load(data("cases/w_nan.pt"), task=ONE_LAYER)
    assert how(run)["head.weight holds NaN"] == "not explained"
    assert not {"inferred", "tied"} & {*how(run).values()}
    assert "head.weight holds NaN" in describe(run)


def test_a_long_position_table_loads_and_a_position_past_the_row_is_refused(data):
    """Eight positions for rows of three tokens."""
    run = gi.load(data("cases/own_ctx8.pt"), task=ONE_LAYER)
    assert run.final.config.n_ctx == 8 and run.task.inputs.shape[1] == 3
    with pytest.raises(gi.BadRequest, match="no position 3; the positions are 0 to 2"):
        gi.ablate(run.final.model(), positions=[3])


def test_recorded_steps_snapshots_and_settings_are_those_of_the_file(data):
    """Nanda's kind: `epochs`, `state_dicts`, GELU of the config; losses that the weights do not have are remarked."""
    run = gi.load(data("cases/own_nanda_gelu.pth"))
    assert run.steps == [0, 50, 100, 150, 200]
    assert run.metrics["step"].tolist() == [0, 50, 100, 150, 200]
    assert run.metrics["train_loss"].tolist() == [2.0, 1.0, 0.5, 0.2, 0.1]
    assert run.final.config.activation == "gelu" and how(run)["activation=gelu"] == "from the file"
    assert "the recorded train_loss is 0.1 and the weights give" in told(run)


def test_a_setting_that_is_not_computed_is_refused_by_name(data):
    """An attention rate in a causal model's config: refused, unless the reader states what it means."""
    with pytest.raises(gi.BadRequest, match=r"attn_coeff=0\.0, which is not computed.*attention_rate"):
        gi.load(data("cases/own_nanda_sub.pth"))
    run = gi.load(data("cases/own_nanda_sub.pth"), attention_rate=0.0)
    assert run.final.config.attention_rate == 0 and how(run)["attention_rate=0.0"] == "stated"


def test_transformer_lens_settings_are_followed(data):
    """SiLU is computed; folded norms are norms with w = 1 and b = 0."""
    assert gi.load(data("cases/own_tl_silu.pth")).final.config.activation == "silu"
    run = gi.load(data("cases/own_tl_lnpre.pth"))
    assert run.final.config.normalization == "pre" and run.final.config.has_final_norm
    assert bool((run.final.parameters["blocks.0.ln1.w"] == 1).all())


def test_pre_norms_named_gamma_and_beta(data):
    """Pre-LN with GELU: with its names changed it was read as ReLU, loss .0485."""
    run = gi.load(data("cases/porth_p97.pt"), task="a + b", p=97)
    assert values(run) == pytest.approx((1.0, 0.0068929), rel=1e-4)
    assert how(run)["normalization=pre"] == how(run)["n_heads=4"] == how(run)["activation=gelu"] == "inferred"


def test_a_memoriser_is_a_memoriser(data):
    """84 % of a table known by heart and the rest wrong: GELU, of which the quick form is no reading of its own."""
    run = gi.load(data("cases/porth_p13_opmul.pt"), task="a * b", p=13)
    assert values(run) == pytest.approx((0.84024, 1.5012), rel=1e-4)
    assert how(run)["activation=gelu"] == "inferred"


def test_a_scaled_embedding_and_other_numbers_of_the_signs(data):
    """Two post-LN layers, embedding times sqrt(128), sinusoids as a buffer, the sign numbered before '='."""
    stated = {"n_heads": 4, "attention_direction": "causal"}
    run = gi.load(data("cases/nathan_cd47e90.pt"), task="a + b", p=97, layout="a op b =", **stated)
    assert values(run) == pytest.approx((1.0, 0.030146), rel=1e-3)
    config = run.final.config
    assert (config.activation, config.normalization, config.position_embedding) == ("gelu", "post", "sinusoidal")
    assert config.embedding_scale == pytest.approx(128**0.5)
    assert how(run)["embedding_scale=11.3137"] == how(run)["special_tokens='+ ='"] == "inferred"


def test_snapshots_that_share_their_memory_are_one(data):
    """69 state dicts, all one storage: one checkpoint, at the last step, and losses at the recorded steps."""
    run = gi.load(data("cases/hbin_full_run_data.pth"))
    assert run.steps == [6800] and run.metrics["step"].tolist() == [*range(0, 6801, 100)]
    assert "its 69 snapshots are the same tensors, saved without copying" in told(run)
    assert values(run)[0] == pytest.approx(0.99749, abs=1e-5)
    assert "the recorded test_loss" in told(run)


def test_an_embedding_mlp_names_the_layout_that_works(data):
    """Two embeddings side by side: under the default layout the remedy is the layout."""
    with pytest.raises(gi.BadRequest, match='--layout "a b"'):
        gi.load(data("cases/snn_mlp_final.pth"), task="a + b", p=113)
    run = gi.load(data("cases/snn_mlp_final.pth"), task="a + b", p=113, layout="a b")
    assert values(run)[0] == 1 and run.final.config.combine == "concatenate"
    (said,) = [each for each in run.assumptions if each.what.startswith("activation=")]
    assert said.how == "tied" and "relu" in str(said) and "gelu" in str(said)


def test_a_one_hot_mlp_is_read_by_its_losses(data):
    """p by its shape, ReLU by the recorded loss (4.3111, one update before), the task by its answers; told as it is."""
    run = gi.load(data("cases/yag_p97_800.pth"))
    assert run.task.expression == "a + b" and run.task.sizes == (97, 97) and run.task.is_train.all()
    assert run.final.config.activation == "relu" and run.final.config.layer_neurons == (1024,)
    accuracy, loss = values(run)
    assert accuracy == pytest.approx(0.98523, abs=1e-5) and loss == pytest.approx(4.31039, abs=1e-4)
    told = {each.what: each.how for each in run.assumptions}
    assert told["activation=relu"] == "inferred" and told["the task a + b mod 97"] == "inferred"
    assert "801 updates" in " ".join(run.provenance.notes) and not run.is_seed_known and not run.is_recipe_known


def test_numpy_curves_are_told_with_the_remedy_that_works(data, tmp_path):
    """The line says what the archive holds, and what it says to do gives the curves."""
    np = pytest.importorskip("numpy")
    with pytest.raises(gi.BadRequest, match=r"a NumPy archive of the arrays train_acc, eval_acc; save them as tensors"):
        gi.load(data("cases/sora_adam.npz"))
    arrays = np.load(data("cases/sora_adam.npz"))
    torch.save({k: torch.tensor(v) for k, v in arrays.items()}, tmp_path / "sora.pt")
    run = gi.load(tmp_path / "sora.pt")
    assert len(run.metrics) == len(arrays["train_acc"]) and run.metrics["test_accuracy"].notna().all()


def test_what_is_assumed_is_told_wherever_numbers_are(data, capsys):
    """`info`, `measure`, its JSON, and repr carry each assumption."""
    path = data("cases/w_h8.pt")
    run = gi.load(path, task=ONE_LAYER)
    assert "n_heads=8 inferred" in repr(run) and "inferred, n_heads=8: loss" in describe(run)
    options = [str(path), "--task", "a + b", "--p", "11", "--layout", "a b =", "--circuits", "loss", "--no-cache"]
    measure([*options, "--activation", "relu"])
    shown = capsys.readouterr().out
    assert "stated, activation=relu" in shown and "inferred, n_heads=8: loss" in shown
    measure([*options, "--n-heads", "8", "--json"])
    assumed = json.loads(capsys.readouterr().out)["assumed"]
    assert {"what": "n_heads=8", "how": "stated", "evidence": ""} in assumed
    assert all(each.keys() == {"what", "how", "evidence"} for each in assumed)
