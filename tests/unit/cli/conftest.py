"""The command line as a shell sees it."""

import sys

import pytest

from ziggurat.cli.main import main


@pytest.fixture
def front_door(monkeypatch, capsys):
    """Runs the command line as a shell does; returns the exit code and both outputs."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ziggurat", *arguments])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return call
