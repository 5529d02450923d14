"""Adapters of inference engines behind one small protocol; the only place that knows an engine."""
