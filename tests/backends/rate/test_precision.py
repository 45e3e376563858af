"""Computing in 16 bits: weights keep 32, changes agree with those of 32 bits and of autocast."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.autograd import PlainNetwork
from oneway.circuits import parse_circuit
from oneway.rules import RULES, parse_rule

BF16, FP16 = torch.bfloat16, torch.float16
MLP, CONV = "mlp:8-16-16-16-4,norm=before", "conv2:1x28x28-4"
RESNET = "resnet18:3x16x16-4,width=4"
VARIANTS = [*RULES, "asap,gate=local,norm=own", "kp,norm=scale"]
# Rounding moves a number by at most 2^-9 (bfloat16, 8 significant bits) or 2^-12 (float16) of
# itself. On the way up and down four layers a change collects some 25 roundings (weights, drives,
# activity, errors), which add up like a random walk; a factor of 2 is for luck (seen: 0.013).
TOLERANCE = {BF16: 2 * 25**0.5 * 2**-9, FP16: 2 * 25**0.5 * 2**-12}


def network(rule, circuit, **options):
    # With this seed no cell of the batch is so near its threshold that rounding turns it on or off.
    return RateNetwork(parse_rule(rule).wire(parse_circuit(circuit)), seed=13, **options)


def batch(circuit, n=16):
    forward = parse_circuit(circuit)
    x = torch.randn((n, *forward.inputs[0].shape), generator=torch.Generator().manual_seed(0))
    return x, torch.arange(n) % forward.output.size


def changes(net):
    return {name: p.grad for name, p in net.named_parameters() if p.grad is not None}


def spontaneous(net):
    net.spontaneous_step(64, torch.Generator().manual_seed(0))
    return changes(net)


def off(found, expected):
    """Distance as a fraction of the length."""
    distance = (found.double() - expected.double()).norm()
    return float(distance / expected.double().norm().clamp(min=1e-30))


# -- against 32 bits ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [BF16, FP16])
@pytest.mark.parametrize("rule", VARIANTS)
def test_every_rule_changes_what_it_changes_in_32_bits(rule, dtype):
    wide, narrow = network(rule, MLP), network(rule, MLP, compute_dtype=dtype)
    x, y = batch(MLP)
    expected, found = wide.step(x, y), narrow.step(x, y)
    assert found.output.dtype == dtype and found.loss.dtype == torch.float32
    assert off(found.output, expected.output) < TOLERANCE[dtype]
    # The loss averages the roundings of a batch.
    assert off(found.loss, expected.loss) < TOLERANCE[dtype] / 10
    assert changes(narrow).keys() == changes(wide).keys()
    for name, change in changes(wide).items():
        assert off(changes(narrow)[name], change) < TOLERANCE[dtype], name


@pytest.mark.parametrize("dtype", [BF16, FP16])
def test_spontaneous_phases(dtype):
    """Noise is no error: its changes are not divided by the scale of errors."""
    expected = spontaneous(network("wm", MLP))
    found = spontaneous(network("wm", MLP, compute_dtype=dtype))
    assert expected and expected.keys() == found.keys()
    assert max(off(found[name], change) for name, change in expected.items()) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [BF16, FP16])
def test_what_is_stored_keeps_32_bits(dtype):
    net = network("kp", CONV, compute_dtype=dtype)
    net.step(*batch(CONV))
    stored = [*net.parameters(), *net.buffers(), *changes(net).values()]
    assert stored and all(t.dtype == torch.float32 for t in stored)
    wide = network("kp", CONV)
    wide.step(*batch(CONV))
    mean = "norms.x -> h1.mean"
    assert off(net.get_buffer(mean), wide.get_buffer(mean)) < TOLERANCE[dtype]


# -- against autocast --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [BF16, FP16])
@pytest.mark.parametrize("circuit", [CONV, RESNET])
def test_backpropagation_is_autocast(circuit, dtype):
    """Deep nets multiply roundings (a third of a change, at this size), and autocast's do alike."""
    net = network("bp", circuit, compute_dtype=dtype)
    plain = PlainNetwork(net.circuit)
    pairs = shared_weights(net, plain)
    x, y = batch(circuit)
    with torch.autocast("cpu", dtype=dtype):
        loss = F.cross_entropy(plain(x), y)
    scale = float(net.loss_scale) if dtype == FP16 else 1.0
    (scale * loss).backward()
    found = net.step(x, y)
    assert off(found.loss, loss.detach()) < 1e-6
    assert max(off(ours.grad, theirs.grad / scale) for ours, theirs in pairs) < 1e-3


def shared_weights(net, plain):
    """The plain network's weights set to ours, in pairs."""
    pairs = []
    with torch.no_grad():
        for name, layers in plain.drives.items():
            for layer in layers:
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    layer.weight.copy_(net.weights[name])
                    pairs.append((net.weights[name], layer.weight))
                    if layer.bias is not None:
                        layer.bias.copy_(net.biases[net.circuit.projections[name].post])
    return pairs


# -- the scale of errors -----------------------------------------------------------------------


def test_small_errors_vanish_without_the_scale():
    """Summed errors of a thousandth of float16's smallest number still teach, if scaled."""
    net = network("kp", MLP, compute_dtype=FP16, loss=TinyLoss())
    wide = network("kp", MLP, loss=TinyLoss())
    x, y = batch(MLP)
    wide.step(x, y)
    net.loss_scale.fill_(1.0)
    net.step(x, y)
    assert all(not change.any() for change in changes(net).values())
    net.loss_scale.fill_(2.0**34)
    net.step(x, y)
    for name, change in changes(wide).items():
        assert off(changes(net)[name], change) < TOLERANCE[FP16], name


class TinyLoss(nn.CrossEntropyLoss):
    def forward(self, output, y):
        return 1e-9 * super().forward(output, y)


@pytest.mark.parametrize("rule", ["bp", "kp", "drtp", "dkp", "forward_alignment", "asap"])
def test_the_scale_cancels(rule):
    """A power of two, so that only what leaves float16's range could differ."""
    net = network(rule, MLP, compute_dtype=FP16)
    x, y = batch(MLP)
    net.loss_scale.fill_(2.0**10)
    net.step(x, y)
    before = {name: change.clone() for name, change in changes(net).items()}
    net.loss_scale.fill_(2.0**13)
    net.step(x, y)
    for name, change in changes(net).items():
        assert off(change, before[name]) < 1e-4, name


def test_too_large_a_scale_is_seen_in_the_changes():
    net = network("bp", MLP, compute_dtype=FP16)
    net.loss_scale.fill_(2.0**40)
    net.step(*batch(MLP))
    assert not all(change.isfinite().all() for change in changes(net).values())


def test_signals_are_without_the_scale():
    x, y = batch(MLP)
    expected = network("bp", MLP).signals(x, y)
    found = network("bp", MLP, compute_dtype=FP16).signals(x, y)
    # Gates may open and close with a rounding, deep below.
    assert off(found["delta_output"], expected["delta_output"]) < TOLERANCE[FP16]


def test_the_scale_is_no_parameter():
    net = network("bp", MLP, compute_dtype=FP16)
    assert "loss_scale" not in net.state_dict()
    assert network("bp", MLP, compute_dtype=BF16).loss_scale is None


# -- casts -------------------------------------------------------------------------------------


def test_each_weight_is_cast_once():
    net = network("bp", MLP, compute_dtype=BF16)
    net.step(*batch(MLP))
    operations = net._schedules["step"].operations
    casts = [op.label for op in operations if op.kind == "cast"]
    assert sorted(casts) == sorted([*net.weights, *net.biases])


@pytest.mark.parametrize("dtype", [BF16, FP16])
def test_synapses_that_change_alike_share_what_is_stored(dtype):
    net = network("kp", MLP, compute_dtype=dtype, share_changes=True)
    net.step(*batch(MLP))
    for w, b in (("h1 -> h2", "delta_h2 -> delta_h1"), ("h2 -> h3", "delta_h3 -> delta_h2")):
        assert net.weights[w].grad is net.weights[b].grad is not None


def test_no_casts_in_one_type():
    net = network("bp", MLP)
    net.step(*batch(MLP))
    assert {op.kind for op in net._schedules["step"].operations}.isdisjoint({"cast", "store"})


def test_what_is_given_is_not_overwritten():
    net = network("bp", MLP, compute_dtype=BF16)
    x, y = batch(MLP)
    for given in (x, x.bfloat16()):
        before = given.clone()
        net.step(given, y)
        assert torch.equal(given, before)


# -- channels last -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "circuit"),
    [(r, c) for r in ("bp", "asap", "kp,norm=own", "dkp") for c in (CONV, RESNET)]
    + [("bp", "alexnet:3x32x32-4")],
)
def test_channels_last_changes_nothing(rule, circuit):
    """In 64 bits, where a rounding that falls the other way opens no gate."""
    x, y = batch(circuit, 6)  # more samples than classes
    plain = network(rule, circuit, dtype=torch.float64)
    other = network(rule, circuit, dtype=torch.float64, channels_last=True)
    expected, found = plain.step(x.double(), y), other.step(x.double(), y)
    torch.testing.assert_close(found.output, expected.output, rtol=1e-9, atol=1e-12)
    for name, change in changes(plain).items():
        torch.testing.assert_close(changes(other)[name], change, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("rule", ["asap", "dkp"])
def test_images_stay_channels_last(rule):
    """From the input to the last change, no kernel turns them back."""
    net = network(rule, RESNET, channels_last=True)
    convolutions = [w for w in net.weights.values() if w.dim() == 4]
    assert convolutions and all(in_channels_last(w) for w in convolutions)
    x, y = batch(RESNET)
    signals = net.signals(x, y)
    images = [s for s in signals.values() if s.dim() == 4 and s.shape[2] > 1]
    assert images and all(in_channels_last(s) for s in images)
    net.step(x, y)
    assert all(in_channels_last(c) for c in changes(net).values() if c.dim() == 4)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("rule", ["kp", "dkp", "asap"])
def test_changes_lie_as_their_parameters_do(rule, channels_last):
    """Fused optimizers read both in the order of memory, and are wrong where it differs."""
    net = network(rule, RESNET, channels_last=channels_last)
    net.step(*batch(RESNET))
    for parameter in net.parameters():
        assert parameter.grad is None or parameter.grad.stride() == parameter.stride()


def test_a_change_that_lies_otherwise_is_laid_out_anew():
    """As a kernel of another device may leave it."""
    net = network("kp", RESNET, channels_last=True, share_changes=True)
    name, weight = next((name, w) for name, w in net.weights.items() if w.dim() == 4)
    change = torch.arange(weight.numel(), dtype=weight.dtype).view(weight.shape)
    assert change.stride() != weight.stride()
    net._fill_gradients({("change", "weights", name): change})
    assert weight.grad.stride() == weight.stride() and torch.equal(weight.grad, change)


def in_channels_last(tensor):
    return tensor.is_contiguous(memory_format=torch.channels_last)


# -- errors ------------------------------------------------------------------------------------


def test_types_that_do_not_compute():
    with pytest.raises(ValueError, match=r"compute_dtype torch.float64, expected torch.bfloat16"):
        network("bp", MLP, compute_dtype=torch.float64)
    with pytest.raises(ValueError, match=r"dtype torch.float16: weights are stored in torch.float"):
        network("bp", MLP, dtype=FP16)
    with pytest.raises(ValueError, match=r"dtype torch.int8, expected torch.float32 or"):
        network("bp", MLP, dtype=torch.int8)


def test_a_kernel_that_does_not_exist(monkeypatch):
    def linear(*inputs):
        raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Half'\nmore")

    monkeypatch.setattr(F, "linear", linear)
    with pytest.raises(
        NotImplementedError, match=r"torch.float16 cannot be computed on cpu: .* not .*'Half'\. Cho"
    ):
        network("bp", MLP, compute_dtype=FP16).step(*batch(MLP))
    with pytest.raises(NotImplementedError, match="more"):
        network("bp", MLP).step(*batch(MLP))
