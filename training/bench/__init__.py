"""Step time and memory of learning rules against autograd."""
