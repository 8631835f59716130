"""The command line as a newcomer types it, right and wrong."""

import importlib
import pickle
import re
import subprocess
import sys

import pytest

import grokinterp as gi
from grokinterp.cli import main, names, summaries
from grokinterp.cli.help_page import as_prose
from grokinterp.config.presets import PRESETS

TINY = "--p 7 --d-model 8 --n-heads 2 --frac 0.5 --steps 20 --metrics-every 10 --checkpoint-every 10".split()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(capsys, *words: str) -> str:
    """What a bad request says: status 2, nothing on standard output, one line on standard error."""
    assert main(list(words)) == 2
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if "step/s" not in line]
    assert out == "" and len(lines) == 1 and lines[0].startswith("grokinterp: "), (out, err)
    return lines[0]


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["trian"], "Did you mean 'train'"),
        (["train", "a +* b"], "a formula has operands"),
        (["train", "a + b", "--p", "1"], "at least 2"),
        (["train", "a + b", "--frac", "1.5"], "at most 1"),
        (["train", "a + b", "--frac", "half"], "'half'"),
        (["train", "a + b", "--preset", "nandda"], "Did you mean 'nanda'"),
        (["train", "a + b", "--fracc", "0.3"], "Did you mean --frac"),
        (["train", "a / b", "--p", "12"], "use a prime"),
        (["train", "a + b", "--set", "p"], "NAME=VALUE"),
        (["train", "a + b", "--set", "q=1"], "'q' is no parameter of 'a + b'"),
        (["info", "nowhere"], "does not exist"),
        (["report", "nowhere"], "does not exist"),
        (["pack", "nowhere"], "does not exist"),
        (["import", "nowhere"], "does not exist"),
        (["info", ".", "--p", "5"], "--task"),
        (["report"], "give a run directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_requests(here, capsys, words, remedy):
    """Exit status 2 and one line with the remedy; nothing is written."""
    assert remedy in refusal(capsys, *words)
    assert list(here.iterdir()) == []


def test_train_info_pack_report_import(here, capsys):
    """From a formula to a run, its description, one file of it, and back to a directory."""
    assert main(["train", "a + b", *TINY]) == 0
    run = here / "runs" / "a-plus-b-p7-nanda-seed0"
    assert f"{run.relative_to(here)}: 3 checkpoints to step 20" in capsys.readouterr().out
    assert main(["info", str(run)]) == 0
    assert "a + b" in capsys.readouterr().out
    assert main(["pack", str(run), "--out", "add.safetensors"]) == 0
    assert main(["import", "add.safetensors", "--out", "again"]) == 0
    assert gi.load("again").steps == gi.load(run).steps == [0, 10, 20]
    capsys.readouterr()
    assert main(["report", "add.safetensors"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(here / "add.safetensors.html")
    assert "<html" in (here / "add.safetensors.html").read_text()


def test_an_existing_run_is_not_overwritten(here, capsys):
    """The same command again says what can be done; --overwrite and --resume do it."""
    assert main(["train", "a + b", *TINY, "--out", "run"]) == 0
    capsys.readouterr()
    said = refusal(capsys, "train", "a + b", *TINY, "--out", "run")
    assert "--resume" in said and "--overwrite" in said
    assert main(["train", "a + b", *TINY, "--out", "run", "--resume"]) == 0
    assert "step 0" not in capsys.readouterr().err
    assert main(["train", "a + b", *TINY, "--out", "run", "--overwrite", "--seed", "3"]) == 0
    assert gi.load("run").config.seed == 3


def test_resuming_what_is_not_there_is_told(here, capsys):
    """A script may always say --resume; who has mistyped the place sees that training begins anew."""
    assert main(["train", "a + b", *TINY, "--out", "nothing", "--resume"]) == 0
    assert "nothing holds no run to go on with; training begins at step 0" in capsys.readouterr().err.splitlines()


def test_a_formula_that_begins_with_minus_goes_after_dashes(here, capsys):
    """`grokinterp train [OPTIONS] -- "-a + b"`."""
    assert main(["train", *TINY, "--out", "run", "--", "-a + b"]) == 0
    assert gi.load("run").task.expression == "-a + b"


def test_flags_are_the_presets_fields(here, capsys):
    """Every field of the chosen preset is a flag, with the preset's value as default."""
    words = ["--preset", "pizza", *TINY, "--attention-rate", "0.5", "--out", "run"]
    assert main(["train", "a + b", *words]) == 0
    config = gi.load("run").config
    assert config.model.attention_rate == 0.5 and config.model.attention_direction == "bidirectional"
    assert config.optimiser.weight_decay == PRESETS["pizza"].optimiser.weight_decay


@pytest.mark.parametrize("command", names())
def test_help(capsys, command):
    """Every command tells its options: each with a line, without Python's types or defaults that say nothing."""
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    page = capsys.readouterr().out
    assert page.startswith(f"usage: grokinterp {command}")
    assert not re.search(r"None|STR|INT\b|FLOAT|default: ?\)|default: (?:True|False)|\[\[[A-Z]|─", page)
    lines = page.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if re.match("  [-[]", line):
            assert re.search(r"  \S", line.strip()) or following.startswith(" " * 26), f"{line} is not explained"


def test_the_help_page_names_the_choices_and_keeps_the_defaults_that_say_something(capsys):
    """What `train --help` says of some options, whole, whatever the width of the terminal."""
    drawn = """usage: grokinterp x [-h] [OPTIONS] [[PATH [PATH ...]]]

Do it.

 positional arguments                                        
 ----------------------------------------------------------- 
  [[PATH [PATH ...]]]                                        
        what to read (required)                              
                                                             
 split options                                               
 ----------------------------------------------------------- 
  Which rows.                                                
                                                             
  Two kinds of them.                                         
  ---------------------------------------------------------  
  --frac {None}|FLOAT                                        
        share of the rows (default: 0.3)                     
  --kind {adamw,                                             
  adam_with_a_long_name}                                     
        how they are drawn (default:                         
        adamw)                                               
  --few {None,a,b}                                           
        short (default: None)                                
  --mlp, --no-mlp                                            
        kept (default: True)                                 
  --json, --no-json                                          
        print it (default: False)                            
"""
    assert (
        as_prose(drawn, 90)
        == """usage: grokinterp x [OPTIONS] [PATH ...]

Do it.

positional arguments
  [PATH ...]                what to read

split options
  Which rows. Two kinds of them.
  --frac NUMBER             share of the rows (default: 0.3)
  --kind NAME               how they are drawn (default: adamw); one of adamw,
                            adam_with_a_long_name
  --few a|b                 short
  --[no-]mlp                kept
  --json                    print it"""
    )


def test_the_help_has_every_command_by_the_first_line_of_its_module(capsys):
    """A command is one file: its help line and its place stand in it, and are read without importing it."""
    assert list(summaries())[:3] == ["demo", "train", "import"] and set(summaries()) == set(names())
    for name, summary in summaries().items():
        first = importlib.import_module(f"grokinterp.cli.{name}_command").__doc__.splitlines()[0]
        assert summary and summary.lower() == first.rstrip(".").lower()
    assert main(["--help"]) == 0
    help_lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert help_lines == [list(each) for each in summaries().items()]


def test_lists(capsys):
    """`tasks` and `presets` name what has a name."""
    assert main(["tasks"]) == 0
    assert "x3_xy" in capsys.readouterr().out
    assert main(["presets"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in PRESETS)
    assert main([]) == 2 and main(["--help"]) == 0 and main(["--version"]) == 0


class Hostile:
    """Unpickled, it would run a command."""

    def __reduce__(self):
        return (exec, ("open('ran', 'w').close()",))


def test_a_hostile_file_runs_nothing(here, capsys):
    """A pickle that would run code is refused by the name of what it would call."""
    (here / "model.pth").write_bytes(pickle.dumps({"model": Hostile()}))
    assert "exec" in refusal(capsys, "info", "model.pth")
    assert "exec" in refusal(capsys, "import", "model.pth")
    assert sorted(p.name for p in here.iterdir()) == ["model.pth"]


def test_a_truncated_file_is_named(here, capsys, data):
    """Half a checkpoint is one line, not a traceback."""
    whole = data("nanda/wd_10-1_mod_addition_loss_curve.pth").read_bytes()
    (here / "half.pth").write_bytes(whole[: len(whole) // 2])
    assert "half.pth" in refusal(capsys, "info", "half.pth")


@pytest.mark.slow
def test_the_demo_groks(here):
    """The README's command, with the seed that groks first: it memorises, groks at least three times later, and leaves
    a run and its report."""
    demo = subprocess.run([sys.executable, "-m", "grokinterp", "demo", "--seed", "2"], capture_output=True, text=True)
    assert demo.returncode == 0, demo.stderr
    metrics = gi.load("runs/demo").metrics
    memorised = metrics.step[metrics.train_accuracy == 1].min()
    grokked = metrics.step[metrics.test_accuracy >= 0.99].min()
    assert grokked >= 3 * memorised
    assert metrics.test_accuracy.iloc[-1] >= 0.999
    assert (here / "runs" / "demo" / "report.html").stat().st_size > 4_000_000
