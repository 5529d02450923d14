"""The networks: their torch modules, their exported graphs, their weights and where those come from."""
