"""The protocols of the papers, one file each; `promptseg.evaluate.catalogue` names them all."""
