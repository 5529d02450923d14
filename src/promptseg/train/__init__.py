"""Training: one loop, the losses of both papers, simulated users, and recipes as Python functions.

Everything here needs torch: pip install "promptseg[train]". Recipes are found by name in `promptseg.train.recipes`.
"""
