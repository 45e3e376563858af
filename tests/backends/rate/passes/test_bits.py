"""Signs of activity, packed eight to a byte."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oneway.backends.rate.passes.signs import pack, unpack


@given(
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    channels_last=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_every_sign_comes_back(shape, channels_last, seed):
    a = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).relu_()
    if channels_last and len(shape) == 4:
        a = a.to(memory_format=torch.channels_last)
    bits, order = pack(a)
    assert bits.numel() == -(-a.numel() // 8)
    assert torch.equal(unpack(bits, order, a), (a > 0).to(torch.uint8))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_zero_and_negative_are_silent(dtype):
    a = torch.tensor([0.0, -0.0, -1.0, 1e-30, 2.0, float("inf")], dtype=dtype)
    bits, order = pack(a)
    assert unpack(bits, order, a).tolist() == [0, 0, 0, 1, 1, 1]


def test_bits_lie_as_the_activity_lies():
    """Else a gate would read its error in one order and its bits in another, at twice the time."""
    a = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert unpack(*pack(a), a).is_contiguous(memory_format=torch.channels_last)
    assert unpack(*pack(a.contiguous()), a.contiguous()).is_contiguous()
