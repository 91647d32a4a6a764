"""Keeping documents equal to their source: the decisions (pure) and the engine that carries them out."""
