"""SEEM in torch. `config` and `keys` need no torch; everything else does."""
