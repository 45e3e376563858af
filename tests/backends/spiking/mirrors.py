"""A weight mirror wired by hand, without any rule."""

from oneway.circuits import AllToAllConnector, Circuit, Signal, Wiring

W, B = "a -> b", "delta_b -> delta_a"
CENTRED = Signal(centred="batch")


def mirror(
    n_pre: int = 12,
    n_post: int = 8,
    *,
    rate: float = 0.1,
    decay: float = 0.5,
    centred: str = "batch",
    hebbian: bool = True,
    **how,
) -> Circuit:
    """Noisy cells a drive cells b; two error populations mimic them and learn.

    ::

        a (noise) ──────> b
        │ mimic           │ mimic
        v                 v
        delta_a <──────── delta_b
    """
    net = Wiring("mirror")
    net.phase("mirror a", mode="mirror", noisy=("a",), norm_blocked=True)
    a, b = net.population("a", (n_pre,)), net.population("b", (n_post,), activation="relu")
    delta_a = net.population("delta_a", a.shape, path="feedback", partner="a")
    delta_b = net.population("delta_b", b.shape, path="feedback", partner="b")
    net.during(net.connect(a, b, AllToAllConnector()), "mirror a")
    net.connect(delta_b, delta_a, AllToAllConnector().transpose, partner=W)
    net.mimic(a, delta_a, "mirror a")
    net.mimic(b, delta_b, "mirror a")
    own = Signal(centred=centred)
    how |= {"rate": rate, "decay": decay, "reduction": "mean", "hebbian": hebbian}
    net.learn(B, own, own, "mirror a", **how)
    return net.build()
