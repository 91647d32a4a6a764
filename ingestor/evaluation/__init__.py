"""Measures of retrieval over a set of questions with the passages that answer them. Pure."""
