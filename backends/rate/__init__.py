"""Wired circuits as rates in PyTorch."""

from .network import RateNetwork, Step

__all__ = ["RateNetwork", "Step"]
