"""Optimizers, schedules and what else decides how far weights move in a step."""
