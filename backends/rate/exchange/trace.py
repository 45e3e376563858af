"""What a module does with its input, operation by operation, as `torch.export` sees it.

Where an operation stands in the module and in its source is kept, for messages.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from oneway.circuits import WiringError

# Before it, `export` gave operations that are taken apart, in which a layer is hard to see again.
_WHOLE_SINCE = (2, 7)


class Trace:
    """The operations of a module.

    Attributes
    ----------
    nodes : list of fx.Node
        Calls that the output is made of, in order.
    stored : dict
        Node → name of the parameter or buffer that it stands for.
    input, output : fx.Node
    """

    def __init__(self, module: nn.Module, example: Tensor) -> None:
        self.owner = type(module).__name__
        program = _export(module, example)
        signature = program.graph_signature
        named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        named |= signature.inputs_to_lifted_tensor_constants
        nodes = list(program.graph.nodes)
        given = [n for n in nodes if n.op == "placeholder"]
        self.stored = {n: named[n.name] for n in given if n.name in named}
        (self.input,) = (n for n in given if n.name in signature.user_inputs)
        (results,) = (n.args[0] for n in nodes if n.op == "output")
        (self.output,) = (n for n in results if n.name in signature.user_outputs)
        self._live = _leading_to(self.output)
        self.nodes = [n for n in nodes if n.op == "call_function" and n in self._live]

    def is_read_once(self, node: fx.Node) -> bool:
        """Whether one operation alone needs the result of another; the output is one too."""
        return sum(user in self._live or user.op == "output" for user in node.users) == 1


def _leading_to(node: fx.Node) -> set[fx.Node]:
    found, waiting = {node}, [node]
    while waiting:
        new = set(waiting.pop().all_input_nodes) - found
        found |= new
        waiting += new
    return found


def _export(module: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    # In training mode, in which dropout and batch norm show; two samples, which the latter needs.
    if len(example) == 1:
        example = torch.cat([example, example])
    # First without the tracer, whose errors say less.
    with _clear(module, example), torch.no_grad(), in_mode(module, training=False):
        output = module(example)
    if not isinstance(output, Tensor):
        raise WiringError(
            f"{type(module).__name__} returns a {type(output).__name__}, expected one tensor, "
            "(B, classes): leave out of its forward what is returned besides"
        )
    version = tuple(int(n) for n in torch.__version__.split(".")[:2])
    export: Any = torch.export.export
    if version < _WHOLE_SINCE:
        export = getattr(torch.export, "export_for_training", export)
    with _clear(module, example), in_mode(module, training=True):
        return export(module, (example,), strict=False)


@contextmanager
def _clear(module: nn.Module, example: Tensor) -> Iterator[None]:
    """Whatever a user's forward raises in one sentence; torch logs it at length besides."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    except Exception as error:
        raise WiringError(
            f"{type(module).__name__} cannot be traced with an example of shape "
            f"{tuple(example.shape)}: {_first_line(error)}. It must run by itself, and what it "
            "does must not depend on values"
        ) from error
    finally:
        logging.disable(before)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__


@contextmanager
def in_mode(module: nn.Module, training: bool) -> Iterator[None]:
    """The whole module in one mode, and then every part in its own again."""
    before = {part: part.training for part in module.modules()}
    module.train(training)
    try:
        yield
    finally:
        for part, mode in before.items():
            part.training = mode


# -- one operation ---------------------------------------------------------------------------


def operation(node: fx.Node) -> str:
    """What a node does: `conv2d`, `relu`; the same in place or not."""
    packet = getattr(node.target, "overloadpacket", node.target)
    name = getattr(packet, "__name__", str(packet))
    return name.rstrip("_") if not name.startswith("_") else name


def arguments(node: fx.Node) -> dict[Any, Any]:
    """Its arguments by name, defaults included; by number where they have no names."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {**dict(enumerate(node.args)), **node.kwargs}
    places = enumerate(schema.arguments)
    given = {a.name: node.args[i] if i < len(node.args) else a.default_value for i, a in places}
    return {**given, **node.kwargs}


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """The shape of its result, the batch included."""
    return tuple(int(n) for n in node.meta["val"].shape)


def module_of(node: fx.Node) -> tuple[str, bool]:
    """Path of the innermost module that it runs in, and whether that is one of torch's own."""
    stack = list((node.meta.get("nn_module_stack") or {"": ("", "")}).values())
    path, kind = stack[-1]
    return path, str(kind).startswith("torch.nn.") or "'torch.nn." in str(kind)


def place(node: fx.Node) -> str:
    """Module and source line, for a message."""
    path, _ = module_of(node)
    where = f"module {path!r}" if path else "the module's own forward"
    line = _source_line(node)
    return f"{where}, {line}" if line else where


def _source_line(node: fx.Node) -> str:
    """The innermost line of the user's own code."""
    torch_home = str(Path(torch.__file__).parent)
    lines = (line.strip() for line in (node.meta.get("stack_trace") or "").splitlines())
    own = [line for line in lines if line.startswith("File ") and torch_home not in line]
    if not own:
        return ""
    file, line, *_ = own[-1].removeprefix("File ").split(", ")
    return f"{Path(file.strip(chr(34))).name}, {line}"
