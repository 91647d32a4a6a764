"""Corpus ingestion and sync daemon: keeps a Chroma collection equal to an organisation's sources."""

__version__ = "0.1.0"
