"""Units to vectors: the model, its windows and batches, and the worker that embeds what has no vector."""
