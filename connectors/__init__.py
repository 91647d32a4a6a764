"""Source connectors: what the outside world looks like. Nothing here imports ``ingestor``."""
