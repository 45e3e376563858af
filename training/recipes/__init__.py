"""Recipes: what is trained on what and how, and the tables of papers that they come from."""
