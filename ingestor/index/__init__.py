"""The vector index (Chroma), which follows the ledger (R2): host process, projector, probe, generations."""
