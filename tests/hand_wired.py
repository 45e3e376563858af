"""One circuit that uses every role and nearly every property, wired by hand."""

from oneway.circuits import (
    ACTIVITY,
    BatchNorm,
    Circuit,
    FromListConnector,
    Signal,
    TransposeConnector,
    Weights,
    Wiring,
    mlp,
    taught_by,
)

AFTER_PHI = BatchNorm(affine=False)


def kolen_pollack_by_hand() -> Circuit:
    """x -> h1 -> output under Kolen-Pollack's rule, with a mirror phase added for its own sake.

    ::

        x ──────> h1 ──────────> output
                  ^ │ gate, norm    │ ^
            teach │ v teach, mimic  v │ teach
                delta_h1 <──── delta_output <── target
    """
    net = Wiring(mlp((4, 3, 2), activation="tanh"))
    net.phase("mirror", mode="mirroring", noisy=("h1",), noise_mean=0.1, noise_std=0.3)
    last = net.update(net.projections["h1 -> output"], norm=BatchNorm(1e-3), error_norm="full")
    net.population("target", (2,), path="target")
    net.population("delta_output", (2,), path="feedback", partner="output")
    net.population("delta_h1", (3,), path="feedback", partner="h1")
    back = net.connect(
        "delta_output",
        "delta_h1",
        TransposeConnector(last.connector),
        partner=last.name,
        error_norm="scale",
        weights=Weights(to=last.name, start="aligned"),
    )
    for source in ("output", "target"):
        net.connect(source, "delta_output", role="compare")
    net.gate("h1", "delta_h1", derivative="tanh")
    net.connect("h1", "delta_h1", role="norm")
    net.mimic("h1", "delta_h1", "mirror")
    net.teach("delta_output", "output")
    net.teach("delta_h1", "h1")
    net.teach("h1", "delta_h1")
    net.learn(last, pre=ACTIVITY, post=taught_by("delta_output"), rate=0.1, decay=1 / 3)
    net.learn("x -> h1", pre=ACTIVITY, post=taught_by("delta_h1", gated=True))
    baseline = Signal(centred="baseline")
    net.learn(back, baseline, taught_by("h1"), phase="mirror", hebbian=True, reduction="mean")
    net.update(net.populations["h1"], learns=taught_by("delta_h1"))
    net.note("wired by hand")
    return net.build()


def sparse_by_hand() -> Circuit:
    """Weights given one by one, and sign-tied feedback."""
    net = Wiring("sparse")
    x, y = (
        net.population("x", (3,)),
        net.population("y", (2,), bias=True, norm=AFTER_PHI),
    )
    listed = FromListConnector([(0, 0, 0.1), (2, 1, -1 / 3), (2, 1, 1e-300)])
    drive = net.connect(x, y, listed)
    net.population("delta_y", (2,), path="feedback", partner="y")
    net.population("delta_x", (3,), path="feedback", partner="x")
    signs = Weights("sign-tied", to=drive.name, scale=0.25)
    net.connect("delta_y", "delta_x", listed.transpose, weights=signs, partner=drive.name)
    return net.build()
