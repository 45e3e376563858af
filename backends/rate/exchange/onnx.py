"""`export_onnx`: the forward path of a network as an ONNX file."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch

from oneway.circuits import WiringError

from ..network import RateNetwork
from .exporting import to_torch

_NEEDED = ("onnx", "onnxscript")


def export_onnx(net: RateNetwork, path: str | Path) -> Path:
    """Write what a network answers, outside of training, as ONNX.

    Parameters
    ----------
    net : RateNetwork
        As for `to_torch`.
    path : path
        Of the file. Its input ``x`` (batch, \\*input) and its output ``output`` (batch, classes)
        take any batch.

    Returns
    -------
    Path
        Of the file, which holds the weights too.

    Raises
    ------
    WiringError
        The extra ``onnx`` is not installed, the folder is not there, or torch has no layer for a
        connector.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise WiringError(
            f"ONNX files need {' and '.join(missing)}, which is not installed: pip install "
            '"oneway[onnx]"'
        )
    path = Path(path)
    if not path.parent.is_dir():
        raise WiringError(f"folder {str(path.parent)!r} does not exist; make it, or name another")
    module = to_torch(net).eval()
    like = next(net.parameters())
    (population,) = net.circuit.inputs
    # More than one sample: torch takes sizes of 0 and 1 for fixed.
    example = torch.zeros(2, *population.shape, dtype=like.dtype, device=like.device)
    with _quiet():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            input_names=["x"],
            output_names=["output"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
        assert program is not None
        # Beside the file and then in its place, so that nobody finds half of it.
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            program.save(str(unfinished), external_data=False)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


@contextlib.contextmanager
def _quiet():
    """The exporter tells its progress on standard output and warns of its own future."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
