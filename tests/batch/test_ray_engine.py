"""The same labeler in a real Ray on this machine: the same records as the local run, whatever happens to an actor."""

import json
import os

import fakes_for_batch
import numpy as np
import pytest
from fakes_for_batch import QuickLabeler, make_pictures, records_in
from PIL import Image as Pillow
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from promptseg.batch import Labeler, LabelerSettings, find_pictures, label_pictures
from promptseg.batch.ray_engine import label_with_ray
from promptseg.errors import InputError, OutputError, WeightsError
from promptseg.runtimes.options import EngineOptions
from promptseg.segment.everything.options import EverythingOptions

# Ray sets its own deprecated options when it makes its default context.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")

EXACT = LabelerSettings(
    engine=EngineOptions(runtime="onnx", precision="float32", threads=1),
    options=EverythingOptions(mode="exact", points_per_side=2),
)


@pytest.fixture(scope="module")
def cluster():
    """One Ray for all tests. Its workers are as urgent as the tests beside them, else they would wait for those."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.cloudpickle.register_pickle_by_value(fakes_for_batch)
    yield
    ray.shutdown()


@pytest.fixture
def items(tmp_path):
    return make_pictures(tmp_path / "pictures", 8)


def ray_run(tmp_path, source="pictures", output="out", **options):
    source, output = (place if "://" in place else str(tmp_path / place) for place in (source, output))
    return label_with_ray(source, output, LabelerSettings(), **{"actors": 2, "make": QuickLabeler, **options})


def local_run(tmp_path, output="local"):
    items = find_pictures(str(tmp_path / "pictures"))
    label_pictures(items, tmp_path / output, LabelerSettings(engine=EngineOptions(threads=1)), make=QuickLabeler)
    return records_in(tmp_path / output)


@pytest.mark.usefixtures("cluster")
def test_the_real_labeler_says_the_same_in_ray(examples, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("chelsea", "rocket"):
        picture = Pillow.open(examples / f"{name}.jpg")
        picture.resize((picture.width // 2, picture.height // 2)).save(folder / f"{name}.png")
    (folder / "bad.jpg").write_bytes(b"no picture")
    items = find_pictures(str(folder))
    local = label_pictures(items, tmp_path / "local", EXACT)
    remote = label_with_ray(str(folder), str(tmp_path / "ray"), EXACT, actors=2)
    assert local == remote
    assert local.masks > 0
    assert list(local.failed) == ["bad.jpg"]
    assert records_in(tmp_path / "local") == records_in(tmp_path / "ray")
    labeler = Labeler(EXACT)
    data = np.empty(1, object)
    data[0] = (folder / "rocket.png").read_bytes()
    answer = labeler({"bytes": data, "name": np.array(["rocket.png"])})
    assert answer["record"][0].encode() == (tmp_path / "ray" / "rocket.json").read_bytes()


@pytest.mark.usefixtures("cluster", "items")
def test_resuming_and_bad_pictures(tmp_path):
    (tmp_path / "pictures" / "bad.png").write_bytes(b"no picture")
    Pillow.new("RGB", (4, 4)).save(tmp_path / "pictures" / "00.gif")
    seen = []
    first = ray_run(tmp_path, source="pictures/0[0-3].*", on_outcome=seen.append)
    assert (first.labelled, first.skipped, first.failed) == (5, 0, {})
    assert [outcome.done for outcome in seen] == [1, 2, 3, 4, 5]
    second = ray_run(tmp_path)
    assert (second.labelled, second.skipped, list(second.failed)) == (4, 5, ["bad.png"])
    assert records_in(tmp_path / "out") == local_run(tmp_path)
    assert sorted(records_in(tmp_path / "out"))[:2] == ["00.gif.json", "00.png.json"]
    assert ray_run(tmp_path).skipped == 9
    items = find_pictures(str(tmp_path / "pictures"))
    assert (
        label_pictures(
            items, tmp_path / "out", LabelerSettings(engine=EngineOptions(threads=1)), make=QuickLabeler
        ).skipped
        == 9
    )


@pytest.mark.usefixtures("cluster", "items")
def test_addresses(tmp_path):
    (tmp_path / "pictures" / "bad.png").write_bytes(b"")
    place = tmp_path.as_uri()
    summary = ray_run(tmp_path, source=f"{place}/pictures", output=f"{place}/out/deep/", actors=1)
    assert (summary.labelled, list(summary.failed)) == (8, ["bad.png"])
    assert records_in(tmp_path / "out" / "deep") == local_run(tmp_path)
    (tmp_path / "out" / "deep" / "03.json").unlink()
    own = SubTreeFileSystem(str(tmp_path), LocalFileSystem())
    again = ray_run(tmp_path, source="own://pictures", output="own://out/deep", filesystem=own)
    assert (again.labelled, again.skipped) == (1, 8 - 1)
    with pytest.raises(InputError, match="There are no pictures at"):
        ray_run(tmp_path, source=f"{place}/out")
    with pytest.raises(InputError, match="is no address"):
        ray_run(tmp_path, source="gopher://pictures")


@pytest.mark.usefixtures("cluster", "items")
def test_an_actor_killed_in_mid_run_loses_nothing(tmp_path):
    marker = str(tmp_path / "died")

    class Mortal(QuickLabeler):
        """Its process is killed, as by kill -9, at the first sight of a picture in the middle."""

        def label(self, name, source):
            if name == "04.png" and not os.path.exists(marker):
                open(marker, "w").close()
                os.kill(os.getpid(), 9)
            return super().label(name, source)

    summary = ray_run(tmp_path, make=Mortal)
    assert os.path.exists(marker)
    assert (summary.labelled, summary.failed) == (8, {})
    assert records_in(tmp_path / "out") == local_run(tmp_path)
    lines = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    assert len({json.loads(line)["name"] for line in lines[1:]}) == 8


@pytest.mark.usefixtures("cluster", "items")
def test_what_goes_wrong_is_said(tmp_path):
    with pytest.raises(InputError, match="5 actors of 1 threads need 5 processors; Ray has 4"):
        ray_run(tmp_path, actors=5)
    with pytest.raises(InputError, match="at least 1 actor"):
        ray_run(tmp_path, actors=0)
    with pytest.raises(WeightsError, match="no weights here"):
        ray_run(tmp_path, make=fakes_for_batch.RefusingLabeler, actors=1)
    (tmp_path / "out" / "00.json").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"00\.json is there already"):
        ray_run(tmp_path, actors=1)
