"""Wired circuits as rates in PyTorch."""

from .exchange.importing import from_torch
from .network import RateNetwork, Step

__all__ = ["RateNetwork", "Step", "from_torch"]
