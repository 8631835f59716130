"""How the project says no: one printable line, whatever it quotes."""

import pickle

import pytest

import grokinterp as gi
from grokinterp.errors import ConfigError


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
