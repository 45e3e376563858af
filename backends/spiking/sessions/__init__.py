"""What is done with a circuit: samples presented, noise let in, one step computed; and records."""
