"""Wired circuits as rates in PyTorch."""

from .exchange.exporting import to_torch
from .exchange.importing import from_torch
from .exchange.onnx import export_onnx
from .network import RateNetwork, Step

__all__ = ["RateNetwork", "Step", "export_onnx", "from_torch", "to_torch"]
