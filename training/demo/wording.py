"""What the tour says of its numbers, worded from the numbers: plain sentences, no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .figures import always_tied
from .parts import join, pretty
from .tour import SpikingDigits, SpikingTour, Tour

# How near a mirror has to come before it is said to have learned.
NEAR_DEG = 30.0

# Commands to go on with, in an order in which they can be followed, each with its reason.
GOING_ON = (
    ("oneway check mlp:64-32-32-10 --rule kp", "which cells are joined both ways?"),
    ("oneway check resnet18 --rule asap,k=4 --constraint all", "the same at the scale of images"),
    ("oneway rules list", "every rule with its options"),
    ("oneway rules new mine.py", "a rule of your own, which works as it is written"),
    ("oneway check mlp:64-32-32-10 --rule mine.py", "which cells it joins both ways"),
    ("oneway train --circuit mlp:64-32-32-10 --rule mine.py --epochs 5", "and how it learns"),
)
A_RULE_OF_ONES_OWN = (
    "A rule is one file that says what is connected to what and which signals each synapse learns "
    "from. The fourth command writes one to start from: change a line, and check and train it with "
    "the two below it. 'oneway rules show kp' has another rule's equations, and says where its "
    "file is."
)


def course(first: float, last: float) -> str:
    """What an angle did, in the whole degrees that are shown: `fell from 91° to 9°`."""
    begun, ended = f"{first:.0f}°", f"{last:.0f}°"
    if begun == ended:
        return f"stayed at {ended}"
    return f"{'fell' if last < first else 'rose'} from {begun} to {ended}"


def courses(ends: Mapping[str, Sequence[float]]) -> str:
    """`that of a fell from 91° to 9° and that of b stayed at 90°`."""
    return join([f"that of {name} {course(a[0], a[-1])}" for name, a in ends.items()])


def rules_said(tour: Tour) -> str:
    """What the mean angle of each rule did."""
    found = {rule.label: rule.angle_course() for rule in tour.rules if not always_tied(rule)}
    ends = {label: angles for label, angles in found.items() if angles}
    return f"Of the mean angles in these runs, {courses(ends)}." if ends else ""


def range_said(tour: Tour) -> str:
    """How far apart rules are."""
    if len(tour.ranked) < 2:
        return ""
    best, worst = tour.ranked[0], tour.ranked[-1]
    points = 100 * ((best.mean or 0.0) - (worst.mean or 0.0))
    return (
        f"From {best.label} to {worst.label} it is {points:.1f} points; how rules come apart at "
        "depth and on natural images is another question."
    )


def mirror_said(spiking: SpikingTour) -> str:
    """What came of the mirror, by its angles at the end."""
    assert spiking.record is not None
    left = [angles[-1] for angles in spiking.angles.values()]
    if left and max(left) <= NEAR_DEG:
        return (
            "From that alone it learned the weights that it cannot see, up to an angle of "
            f"{max(left):.0f}°."
        )
    return (
        f"After {spiking.record.simulated_s:g} s simulated it is not there yet: a longer run comes "
        "nearer."
    )


def mirror_cost(spiking: SpikingTour) -> str:
    """What the mirror took, and how its cells fired."""
    assert spiking.record is not None
    record, rates = spiking.record, spiking.record.mean_rates_hz.values()
    compiled = f", after {spiking.compiling_s:.0f} s of compiling" if spiking.compiling_s else ""
    return (
        f"{record.simulated_s:g} s simulated in {record.wall_s:.0f} s{compiled}; mean rates of "
        f"{min(rates):.0f} to {max(rates):.0f} Hz."
    )


def digits_said(digits: SpikingDigits) -> str:
    """A circuit that learned the digits in spikes, pass by pass."""
    found = digits.found
    passes = [f"{100 * accuracy:.1f}" for accuracy in found["online_accuracy"]]
    return (
        f"{found['circuit']}, wired by {found['rule']} and without normalisation, was shown "
        f"{found['train_samples']:,} digits {len(passes)} times, each for a tenth of a second, "
        "errors and all synapses at work while it answered. Of the digits as they came it named "
        f"{join(passes)} % right, pass by pass, and then {100 * found['accuracy']:.1f} % of "
        f"{found['test_samples']} that it had not seen. Of the angles between feedback and forward "
        f"weights, {courses({pretty(name): ends for name, ends in digits.angles.items()})}."
    )


def digits_made(digits: SpikingDigits) -> str:
    """When that was, and how long it took; a recorded run says that it is one."""
    found = digits.found
    took = f"{found['simulated_s']:,.0f} s simulated in {_took(found):.0f} s"
    if digits.recorded:
        return f"This is a recorded run ({digits.recorded}), not made here; {took}. To make it:"
    return f"Made here and now; {took}. To make it again:"


def _took(found: Mapping[str, float]) -> float:
    return found["wall_s"] - found["compiling_s"]
