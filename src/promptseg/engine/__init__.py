"""The data engine: pictures in, a growing labelled data set and a better model out (SAM's third part, docs/engine.md).

`Project` is a folder with one database: which pictures there are, who labelled what and how long it took, and which
versions of the model came of it. The rooms beside it are the three stages, the training, and SA-1B as a data set.
"""

from promptseg.engine.project import Project
from promptseg.engine.records import (
    Lease,
    ModelVersion,
    ProjectMask,
    ProjectPicture,
    ProjectSettings,
    ProjectStatus,
    StageWork,
)

__all__ = [
    "Lease",
    "ModelVersion",
    "Project",
    "ProjectMask",
    "ProjectPicture",
    "ProjectSettings",
    "ProjectStatus",
    "StageWork",
]
