"""Products that are computed together: what is joined, and that no number changes."""

import pytest
import torch

from oneway.backends.rate import RateNetwork, compiler, connectors
from oneway.circuits import Conv2dConnector, mlp, parse_circuit
from oneway.rules import parse_rule

SIZES = (6, 9, 8, 7, 4)


def one_step(rule, **options):
    net = RateNetwork(parse_rule(rule).wire(mlp(SIZES)), **options)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, SIZES[0], generator=generator).to(next(net.parameters()).dtype)
    net.step(x, torch.randint(0, SIZES[-1], (5,), generator=generator))
    return net


def drives(net):
    """How many results each forward-running product has."""
    return [len(op.outputs) for op in net._schedules["step"].operations if op.kind == "apply"]


@pytest.mark.parametrize("rule", ["dfa", "dkp", "drtp"])
@pytest.mark.parametrize("compute_dtype", [None, torch.bfloat16])
def test_all_direct_feedback_is_one_product(rule, compute_dtype, monkeypatch):
    together = one_step(rule, compute_dtype=compute_dtype)
    monkeypatch.setattr(compiler, "join_drives", lambda program, width: None)
    apart = one_step(rule, compute_dtype=compute_dtype)
    hidden = len(SIZES) - 2
    forward = [1] * (len(SIZES) - 1)
    assert sorted(drives(together)) == [*forward, hidden]
    assert drives(apart) == [*forward, *[1] * hidden]
    tolerance = {} if compute_dtype is None else {"rtol": 0.02, "atol": 1e-3}
    for name, parameter in apart.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(
                together.get_parameter(name).grad, parameter.grad, **tolerance
            )


def test_direct_feedback_to_images_stays_apart():
    """All their errors at once would need as much memory as all activations."""
    circuit = parse_rule("dfa").wire(parse_circuit("conv2:1x8x8-4"))
    net = RateNetwork(circuit)
    net.step(torch.randn(3, 1, 8, 8), torch.tensor([0, 1, 2]))
    joined = [op for op in net._schedules["step"].operations if len(op.outputs) > 1]
    assert not [op for op in joined if op.kind == "apply" and "delta_c1" in op.label]


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [(3, 1, 1, 1), (3, 2, 1, 1), (2, 2, 0, 1), (5, 3, 0, 1), (3, 1, 2, 2), (2, 2, 0, 3)],
)
def test_windows_do_what_convolution_does(kernel, stride, padding, dilation):
    connector = Conv2dConnector(64, kernel, stride, padding, dilation=dilation)
    pre = torch.randn(4, 3, 9, 8, dtype=torch.float64)
    w = torch.randn(64, 3, kernel, kernel, dtype=torch.float64)
    post = torch.nn.functional.conv2d(pre, w, None, stride, padding, dilation)
    half = connectors.rate_connector(connector, (3, 9, 8), tuple(post.shape[1:]))
    windows = half.windows(pre)
    assert windows.shape == (3 * kernel**2, post.numel() // 64)
    torch.testing.assert_close(half.apply(w, windows), post)
    torch.testing.assert_close(half.correlate(post, windows, w), half.correlate(post, pre, w))


def test_windows_only_where_they_are_few():
    half = connectors.rate_connector(Conv2dConnector(2, 3, 1, 1), (3, 9, 8), (2, 9, 8))
    pre = torch.randn(4, 3, 9, 8)
    assert half.windows(pre) is pre
    many = connectors.rate_connector(Conv2dConnector(64, 3, 1, 1), (3, 9, 8), (64, 9, 8))
    assert many.windows(pre).dim() == 2
    assert many.windows(pre.bfloat16()).dim() == 4


def test_mirrors_read_windows_once_for_drive_and_change(monkeypatch):
    circuit = parse_rule("wm").wire(parse_circuit("resnet18:3x16x16-5,width=4"))

    def mirrored():
        net = RateNetwork(circuit, dtype=torch.float64)
        net.spontaneous_step(2, torch.Generator().manual_seed(0))
        return net

    net = mirrored()
    phase = next(phase for phase in circuit.phases.values() if phase.noisy)
    kinds = [op.kind for op in net._schedules[phase.name].operations]
    assert kinds.count("windows") == 1 and kinds.count("correlate") == 1
    monkeypatch.setattr(connectors, "FEW_WINDOWS", 0)
    for name, parameter in mirrored().named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(net.get_parameter(name).grad, parameter.grad)
