"""A convolutional net small enough for Brian2."""

from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    Circuit,
    Conv2dConnector,
    OneToOneConnector,
    Wiring,
)


def small_conv(
    activation: str = "tanh", pool=None, groups: int = 1, pixels: int = 4, dilation: int = 1
) -> Circuit:
    """Two convolutions, a pool and a shortcut between them, and a dense output.

    ::

        x ──conv──> h1 ──pool──> pool ──conv──> h2 ──> output
                                   └──1:1──────^
    """
    pool = pool or AveragePoolConnector(2)
    net = Wiring("small conv")
    x = net.population("x", (2, pixels, pixels))
    h1 = net.population("h1", (4, pixels, pixels), activation=activation, bias=True)
    net.connect(x, h1, Conv2dConnector(4, 3, 1, dilation, groups, dilation))
    pooled = net.population("pool", pool.output_shape(h1.shape))
    net.connect(h1, pooled, pool)
    h2 = net.population("h2", pooled.shape, activation=activation, bias=True)
    net.connect(pooled, h2, Conv2dConnector(4, 3, padding=1))
    net.connect(pooled, h2, OneToOneConnector(), name="shortcut")
    output = net.population("output", (3,), bias=True)
    net.connect(h2, output, AllToAllConnector())
    return net.build()
