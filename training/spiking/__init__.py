"""Training and running circuits as spikes: `oneway spike`."""
