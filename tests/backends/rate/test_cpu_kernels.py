"""What a CPU computes another way than torch does: the same numbers."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.connectors import max_pool, rate_connector
from oneway.backends.rate.kernels import sample_angles
from oneway.backends.rate.program import Kind
from oneway.circuits import AllToAllConnector, MaxPoolConnector, parse_circuit
from oneway.rules import parse_rule

LAYOUTS = (torch.contiguous_format, torch.channels_last)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("kernel", "stride"), [((2, 2), (2, 2)), ((3, 2), (2, 3)), ((1, 2), (1, 2)), ((1, 1), (2, 2))]
)
def test_largest_of_rows_and_columns(kernel, stride, layout):
    x = torch.randn(3, 4, 9, 8, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=layout)
    pooled, expected = max_pool(x, kernel, stride), F.max_pool2d(x, kernel, stride)
    assert torch.equal(pooled, expected) and pooled.stride() == expected.stride()
    assert pooled.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()


@pytest.mark.parametrize(("rule", "routes"), [("dkp", False), ("bp", True)])
def test_a_route_is_noted_where_errors_take_it(rule, routes):
    """Direct feedback needs none, and a forward pass neither."""
    net = RateNetwork(parse_rule(rule).wire(parse_circuit("conv2:1x8x8-3,width=2,hidden=6")))
    x, y = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 0])
    net.step(x, y)
    net(x)
    for kind, expected in (("step", routes), ("forward", False)):
        (pool,) = (
            op
            for op in net._schedules[kind].operations
            if op.kind == Kind.APPLY and isinstance(op.detail[0], MaxPoolConnector)
        )
        assert (len(pool.outputs) == 2) == expected


@pytest.mark.parametrize("I", [3, 16, 17])
def test_product_with_few_cells(I):
    """In the layout of the weights, which fused optimizers read in the order of memory."""
    generator = torch.Generator().manual_seed(0)
    post, pre = (torch.randn(5, n, generator=generator).double() for n in (40, I))
    change = rate_connector(AllToAllConnector(), (I,), (40,)).correlate(post, pre)
    torch.testing.assert_close(change, torch.einsum("bj,bi->ji", post, pre))
    assert change.is_contiguous()


@pytest.mark.parametrize("samples", [2, 9])  # fewer and more than presynaptic cells
@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_of_cells_to_images_and_back(layout, samples):
    """Whichever of weights and images is turned, and images come as they are to lie in memory."""
    pre, post = (5,), (4, 3, 2)
    draw = partial(torch.randn, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    w, x, error = draw(24, 5), draw(samples, *pre), draw(samples, *post)
    error = error.contiguous(memory_format=layout)
    half = rate_connector(AllToAllConnector(), pre, post, layout)
    back = rate_connector(AllToAllConnector(), post, pre, layout)

    activity = half.apply(w, x)
    torch.testing.assert_close(
        activity, torch.einsum("cyxi,bi->bcyx", w.view(4, 3, 2, 5), x), rtol=1e-12, atol=1e-12
    )
    change = half.correlate(error, x)
    torch.testing.assert_close(
        change, torch.einsum("bcyx,bi->cyxi", error, x).reshape(24, 5), rtol=1e-12, atol=1e-12
    )
    returned = back.adjoint(w.T, x)
    torch.testing.assert_close(returned, activity, rtol=1e-12, atol=1e-12)
    assert all(image.is_contiguous(memory_format=layout) for image in (activity, returned))
    assert change.is_contiguous()


@pytest.mark.parametrize("shape", [(5, 7), (5, 3, 4, 2)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_angles_of_samples_are_those_of_their_cosines(shape, dtype):
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    a, b = (t.to(dtype) * scale for t, scale in ((a, 3), (b, 0.5)))
    b[1], b[2], a[3] = 2 * a[1], -a[2], 0
    found = sample_angles(a, b)
    rows_a, rows_b = (t.double().flatten(1) for t in (a, b))
    cosine = (rows_a * rows_b).sum(1) / (rows_a.norm(dim=1) * rows_b.norm(dim=1))
    expected = torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))
    assert found.dtype == torch.float64 and found[3].isnan()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3, equal_nan=True)
    assert torch.isnan(sample_angles(b, a)[3])
