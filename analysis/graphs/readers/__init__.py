"""Readers of graph files, a module for each kind; `analysis.graphs.files` chooses among them."""
