"""summarymixing-make-corpus: one subcommand a layout, whose options reach the layout's function."""

import inspect
from types import SimpleNamespace

import pytest

from summarymixing.commands import make_corpus


@pytest.fixture
def tool(monkeypatch):
    """The program, with functions that write down what they were asked for."""
    asked = []
    for layout, make in list(make_corpus.LAYOUTS.items()):

        def record(make=make, layout=layout, **options):
            inspect.signature(make).bind(**options)
            asked.append((layout, options))
            return options["folder"]

        record.__doc__ = make.__doc__
        monkeypatch.setitem(make_corpus.LAYOUTS, layout, record)
    return SimpleNamespace(main=make_corpus.main, asked=asked)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "librispeech x --minutes 250 --seed 1234",
            {"minutes": 250.0, "seed": 1234, "dev_minutes": 10, "test_minutes": 20, "workers": None},
        ),
        (
            "common_voice x --locale fr --minutes 120 --version 11 --defects --workers 2",
            {
                **{"locale": "fr", "minutes": 120.0, "version": 11, "defects": True, "workers": 2},
                **{"seed": 0, "dev_minutes": 10, "test_minutes": 20},
            },
        ),
        (
            "slurp x --minutes 120 --dev-minutes 3 --test-minutes 4",
            {"minutes": 120.0, "dev_minutes": 3.0, "test_minutes": 4.0, "seed": 0, "workers": None},
        ),
        (
            "speech_commands x --version 1 --per-word 50",
            {"version": 1, "per_word": 50, "seed": 0, "workers": None},
        ),
    ],
)
def test_options_reach_the_function(tool, command, expected, capsys):
    tool.main(command.split())
    layout = command.split()[0]
    assert tool.asked == [(layout, {"folder": "x", **expected})]
    assert capsys.readouterr().out == f"synthetic speech in the layout of {layout}: x\n"


@pytest.mark.parametrize("command", ["", "timit x", "slurp x", "common_voice x --minutes 3", "slurp --minutes 3"])
def test_incomplete_commands_are_refused(tool, command, capsys):
    with pytest.raises(SystemExit) as stopped:
        tool.main(command.split())
    assert stopped.value.code == 2 and tool.asked == [] and "error" in capsys.readouterr().err


def test_errors_take_one_line(capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        make_corpus.main(["common_voice", str(tmp_path / "c"), "--locale", "tlh", "--minutes", "1"])
    shown = capsys.readouterr().err
    assert stopped.value.code == 2 and shown.startswith("error: locale: ") and len(shown.splitlines()) == 1
