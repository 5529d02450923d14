"""Programs that peers run in environments of their own, and the protocol that they speak (docs/evaluate.md)."""
