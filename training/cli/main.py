"""The `oneway` command: finds the subcommand, turns bad input into one line and exit code 2.

argparse rather than typer: exit codes and messages are a contract here, and argparse lets one
method decide both.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from oneway.circuits import WiringError

from ..errors import ConfigError, DataError, TrainingError
from .shared import BAD_INPUT

INTERRUPTED, TERMINATED = 130, 143
CUT_OFF = 141

# Each lives in its own module, which offers `add_options(parser)` and `run(arguments)` and is
# imported only where it is called.
COMMANDS = {
    "check": "say which neurons a rule connects in both directions",
    "train": "train a circuit as rates",
    "data": "list, download and check data sets",
    "recipes": "list, show and check recipes of published experiments",
    "reproduce": "run a published table again, as far as a budget goes",
    "compare": "table and plots of runs, next to published figures",
    "export": "write the network of a finished run for torch or ONNX",
    "spike": "run a circuit as spikes: learn, mirror, or answer with weights learned as rates",
    "bench": "step time and memory of each rule against plain autograd",
    "demo": "the tour on handwritten digits, with a report to look at",
}


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing usage, so that every complaint looks the same."""

    def error(self, message: str) -> NoReturn:
        unknown = [word for word in message.split() if word.startswith("--")]
        if message.startswith("unrecognized arguments") and unknown:
            near = get_close_matches(unknown[0].split("=")[0], self.options(), n=1)
            message += f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{message} (see {self.prog} --help)")

    def options(self) -> list[str]:
        """Every option of this parser and of its subcommands."""
        options = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                options += [o for parser in action.choices.values() for o in parser.options()]
        return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    asked: list[int] = []  # to end, by which signal
    try:
        with _ended_by_sigterm(asked):
            arguments = _parser(argv).parse_args(argv)
            code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except (WiringError, ConfigError, DataError, TrainingError) as error:
        return _complain(str(error))
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CUT_OFF
    except OSError as error:
        return _complain(f"{error.filename or 'file'}: {error.strerror or error}")
    except KeyboardInterrupt as interrupt:
        if asked:
            return _say(f"terminated. {interrupt}", TERMINATED)
        return _say(f"interrupted. {interrupt}", INTERRUPTED)


@contextmanager
def _ended_by_sigterm(asked: list[int]) -> Iterator[None]:
    """Let SIGTERM, which schedulers send before they kill, end a command as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # where no signal can be handled
        return

    def end(number: int, _: object) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _complain(message: str) -> int:
    return _say("error: " + " ".join(message.split()), BAD_INPUT)


def _say(message: str, code: int) -> int:
    """Say why this ends; of several processes that end together, one does."""
    if "RANK" in os.environ:
        from ..launcher import first_to_fail  # with torch, which takes seconds

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # launchers repeat what we had already
        if not first_to_fail():
            return code
    print(f"oneway: {message}".rstrip(), file=sys.stderr)
    return code


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="oneway",
        description="Neural circuits that learn without weight transport: wired once, checked as "
        "a graph, run as spikes, trained as rates.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"oneway {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            allow_abbrev=False,
        )
        if name in argv:
            module = import_module(f".{name}", __package__)
            module.add_options(command)
            command.set_defaults(run=module.run)
    return parser


def _version() -> str:
    try:
        return version("oneway")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
