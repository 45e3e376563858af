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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import NoReturn

from ..errors import ConfigError, DataError, TrainingError, first_line
from ..terminal import harmless
from .shared import BAD_INPUT

INTERRUPTED, TERMINATED = 130, 143
CUT_OFF = 141

# What one takes is in `options`, `add_options(parser)`, and what it does in a module of its name,
# `run(arguments)`; each is imported only where it is wanted, so that --help need not wait.
COMMANDS = {
    "check": "say which neurons a rule connects in both directions",
    "train": "train a circuit as rates",
    "data": "list, download and check data sets",
    "rules": "list and show learning rules and their options, or begin one of your own",
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
        with _heeded(asked):
            arguments = _parser(argv).parse_args(argv)
            code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as interrupt:
        return _ended(asked, str(interrupt))
    except Exception as error:
        if asked:  # code that is not Python's has made an error of its own of it
            return _ended(asked)
        return _failed(error)


def _ended(asked: Sequence[int], words: str = "") -> int:
    if signal.SIGTERM in asked:
        return _say(f"terminated. {words}", TERMINATED)
    return _say(f"interrupted. {words}", INTERRUPTED)


def _failed(error: Exception) -> int:
    match error:
        case BrokenPipeError():  # the reader, `head` perhaps, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return CUT_OFF
        case MemoryError():
            return _too_much(error)
        case RuntimeError() if "can't allocate memory" in str(error):  # torch's, on a CPU
            return _too_much(first_line(error).rpartition("allocate memory: ")[2])
        case FileExistsError() | NotADirectoryError():
            return _complain(f"{error.filename}: a file is there, not a folder. Name another one")
        case OSError():
            return _complain(f"{error.filename or 'file'}: {error.strerror or error}")
    if isinstance(error, _expected()):
        return _complain(str(error))
    raise error


def _too_much(reason: object) -> int:
    return _complain(f"this takes more memory than there is ({reason}). Take smaller numbers")


def _expected() -> tuple[type[Exception], ...]:
    """What is said in one line; anything else is a fault of ours."""
    from oneway.circuits import WiringError  # with networkx, which --help need not wait for

    return WiringError, ConfigError, DataError, TrainingError


@contextmanager
def _heeded(asked: list[int]) -> Iterator[None]:
    """SIGTERM, which schedulers send before they kill, ends a command as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # where no signal can be handled
        return

    def end(number: int, _: object) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    # In the background, shells let Ctrl-C be ignored.
    ignored = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    numbers = (signal.SIGTERM,) if ignored else (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _complain(message: str) -> int:
    return _say("error: " + " ".join(message.split()), BAD_INPUT)


def _say(message: str, code: int) -> int:
    """Say why this ends; of several processes that end together, one does."""
    if "RANK" in os.environ:
        from ..launcher import first_to_fail  # with torch, which takes seconds

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # launchers repeat what we had already
        if not first_to_fail():
            return code
    print(harmless(f"oneway: {message}".rstrip()), file=sys.stderr)
    return code


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="oneway",
        description="Neural circuits that learn without weight transport: wired once, checked as "
        "a graph, run as spikes, trained as rates.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version",
        action=_Version,
        nargs=0,
        default=argparse.SUPPRESS,
        help="show the version and exit",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            allow_abbrev=False,
        )
        if name in argv:
            import_module(f".options.{name}", __package__).add_options(command)
            command.set_defaults(run=_running(name))
    return parser


def _running(name: str) -> Callable[[argparse.Namespace], int]:
    return lambda arguments: import_module(f".{name}", __package__).run(arguments)


class _Version(argparse.Action):
    """Looks the version up where it is asked for: that takes as long as all else that help does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("oneway")
        except PackageNotFoundError:
            found = "(not installed)"
        print(f"oneway {found}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
