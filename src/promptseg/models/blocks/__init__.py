"""Small torch modules that more than one network uses."""
