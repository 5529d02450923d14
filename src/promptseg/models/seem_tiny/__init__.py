"""seem-tiny: our small SEEM. Pixels and phrases in one space, on an EfficientNet-Lite2 and a MiniLM."""
