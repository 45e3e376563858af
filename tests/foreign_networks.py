"""Networks as their users write them: of no builder of ours, and made to be imported."""

import torch
import torch.nn.functional as F
from torch import nn


class BasicBlock(nn.Module):
    """Named as torchvision names it."""

    def __init__(self, channels, out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """torchvision's, with as many stages as blocks are listed."""

    shape, classes = (3, 20, 20), 10

    def __init__(self, blocks=(1, 2), width=3, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = width
        for stage, n in enumerate(blocks):
            out, stride = width * 2**stage, 1 if stage == 0 else 2
            stack = [BasicBlock(channels, out, stride)]
            stack += [BasicBlock(out, out) for _ in range(n - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*stack))
            channels = out
        self.stages = len(blocks)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Odd(nn.Module):
    """Branches of unequal depth, sums that are normalised, read twice and given to no φ."""

    shape, classes = (3, 8, 8), 5

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, (3, 5), stride=(1, 2), padding=(1, 2))
        self.norm = nn.BatchNorm2d(6, eps=1e-3, momentum=0.2)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=6)
        self.pointwise = nn.Conv2d(6, 8, 1)
        self.bn = nn.BatchNorm2d(8)
        self.short = nn.Conv2d(6, 8, 3, padding="same")
        self.other = nn.Conv2d(6, 8, 1)
        self.of_sum = nn.BatchNorm2d(8)
        self.silu = nn.SiLU()
        self.channels = nn.Dropout2d(0.25)
        self.pool = nn.AvgPool2d(2, padding=1)
        self.dropout = nn.Dropout(0.5)
        self.keys = nn.Linear(8 * 5 * 3, 16)
        self.bn1d = nn.BatchNorm1d(16, affine=False)
        self.target = nn.Linear(16, self.classes)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        h = F.gelu(self.norm(self.stem(x)))
        a = self.bn(self.pointwise(F.silu(self.depthwise(h))))
        b = self.short(h) + self.other(h)
        y = self.silu(self.of_sum(a + b)) + a
        y = self.pool(self.channels(y))
        y = self.dropout(y.view(y.size(0), -1))
        return torch.sigmoid(self.target(F.elu(self.bn1d(self.keys(y)))))


class Everything(nn.Module):
    """Every φ, every pool and every change of shape, as layers and as functions."""

    shape, classes = (2, 12, 6), 4

    def __init__(self):
        super().__init__()
        self.first = nn.BatchNorm2d(2)  # of the data
        self.conv = nn.Conv2d(2, 4, 3, padding=1, padding_mode="zeros")
        self.phis = nn.Sequential(nn.LeakyReLU(), nn.ELU(), nn.Identity(), nn.Softplus())
        self.lin1 = nn.Linear(4 * 2, 12)
        self.conv2 = nn.Conv2d(3, 2, (1, 2), bias=False)
        self.lin2 = nn.Linear(4, 4)

    def forward(self, x):
        x = self.phis(self.conv(self.first(x)))
        x = F.max_pool2d(x, (2, 1), (2, 1)).tanh()
        x = F.adaptive_max_pool2d(x, 3) + F.adaptive_avg_pool2d(x, (3, 3))
        x = F.avg_pool2d(x, 2, 1)
        x = x + x
        x = x.mean(-1, keepdim=True).sigmoid()
        x = self.lin1(x.flatten(1)).unflatten(1, (3, 2, 2)).relu()
        return self.lin2(self.conv2(x).reshape(len(x), -1))


NETWORKS = (ResNet, Odd, Everything)


def batch(network, n=4, dtype=torch.float64, seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, *network.shape, generator=generator, dtype=dtype)
    return x, torch.randint(network.classes, (n,), generator=generator)


def made(network, dtype=torch.float64, seed=0):
    """The module, its norms away from where they start."""
    torch.manual_seed(seed)
    module = network().to(dtype)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            if part.affine:
                part.weight.data.uniform_(0.5, 2)
                part.bias.data.normal_()
    return module
