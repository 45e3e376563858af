"""What a run records beside loss and accuracy: what the papers plot. See docs/records.md."""
