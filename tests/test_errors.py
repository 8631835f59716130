"""How the project says no: one printable line, whatever it quotes; and counts one of a thing without an s."""

import pickle

import pytest

import grokinterp as gi
from grokinterp.errors import ConfigError, counted, duration


@pytest.mark.parametrize("error", [gi.BadRequest, ConfigError])
def test_a_refusal_is_one_printable_line(error):
    """Names come from files, and sentences from other libraries: neither moves the cursor or breaks the line."""
    refusal = error("x has no field \x1b]0;title\x07;\n  was it\r\nwritten \ud800 by é?")
    assert str(refusal) == r"x has no field \x1b]0;title\x07; was it written \ud800 by é?"
    assert isinstance(refusal, ValueError) and str(pickle.loads(pickle.dumps(refusal))) == str(refusal)


def test_a_key_of_a_file_does_not_reach_the_terminal(tmp_path, small_run):
    """A run's config with a control sequence for a name is refused with the sequence shown."""
    config = (small_run / "config.json").read_text()
    (small_run / "config.json").write_text(config.replace('"d_model"', r'"\u001b[2Jd_model"'))
    with pytest.raises(gi.BadRequest, match=r"\\x1b\[2Jd_model") as refused:
        gi.load(small_run)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("n, words", [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (1000, "1,000 runs")])
def test_one_is_singular(n, words):
    """Only one of something has no s."""
    assert counted(n, "run") == words


def test_a_plural_of_its_own():
    """Where an s does not make it."""
    assert [counted(n, "frequency", "frequencies") for n in (1, 3)] == ["1 frequency", "3 frequencies"]


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0.0, "1 second"),
        (1.2, "2 seconds"),
        (59.4, "60 seconds"),
        (60, "1 minute"),
        (91, "2 minutes"),
        (5400, "90 minutes"),
        (5401, "1.5 hours"),
    ],
)
def test_a_duration_is_in_the_unit_that_reads(seconds, words):
    """No '1 minutes', no '0 seconds'."""
    assert duration(seconds) == words


def test_a_refused_field_is_named_with_the_nearest():
    """One short line: the field, the nearest name, and where the list of all is."""
    with pytest.raises(ConfigError) as refusal:
        gi.train("a + b", attention_rat=0.5)
    assert "'attention_rat'" in str(refusal.value) and "Did you mean 'attention_rate'?" in str(refusal.value)
    assert "help(gi.train)" in str(refusal.value) and len(str(refusal.value)) < 200
