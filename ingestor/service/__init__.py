"""The process around the stages: one loop per source, the pump behind them, schedule, stop, operations."""
