"""A forward circuit wired by a rule and trained, in one line."""

from oneway.training import train


def wire_and_train(circuit, rule, data, config=None, **options):
    """`rule` is None for a circuit that is wired already."""
    return train(circuit, data, config, rule=rule, **options)
