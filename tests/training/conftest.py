"""The command line, run in this process, and a disk that is never slow."""

import pytest

from oneway.training.checkpoint import Pace
from oneway.training.cli.main import main


@pytest.fixture
def oneway(capsys, monkeypatch, tmp_path):
    """Run a command line in an empty folder; gives exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ONEWAY_DATA_DIR", raising=False)

    def call(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:  # --help and --version
            code = leaving.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def saved_each_epoch(monkeypatch):
    """A checkpoint after every epoch, however long a busy disk takes over one."""
    monkeypatch.setattr(Pace, "due", lambda self: True)
