"""The routes, one file per subject. Each is a thin shell over the floors below."""
