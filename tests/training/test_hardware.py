"""What a run asks of its process."""

import platform
import resource

import pytest
import torch

from oneway.training.hardware import fastest_kernels

GLIBC = platform.libc_ver()[0] == "glibc"


def faults():
    """Pages that the system hands out while large tensors come and go."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        torch.ones(10_000_000)  # more than glibc ever keeps by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not GLIBC, reason="asks glibc to keep memory")
def test_a_run_on_a_cpu_keeps_its_memory_for_the_next_tensor():
    with fastest_kernels("cpu"):
        # The heap grows until it has a place for each.
        assert min(faults() for _ in range(8)) < 100
