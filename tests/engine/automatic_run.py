"""Labels a project with the stand-in, until it is done or killed; says how much memory it took."""

import resource
import sys

from fakes_for_engine import StandInLabeler

from promptseg.batch.labeler import LabelerSettings
from promptseg.engine import Project
from promptseg.engine.automatic import label_automatically

if __name__ == "__main__":
    with Project(sys.argv[1]) as project:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        done = label_automatically(project, LabelerSettings(), part=int(sys.argv[2]), make=StandInLabeler)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(done.pictures, done.labelled, (after - before) // 1024)
