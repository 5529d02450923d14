"""The embedding cache: the same features cold and warm, in threads and processes, whatever happened to its files."""

import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

from promptseg import Image, Point, Segmenter
from promptseg.errors import InputError, OutputError
from promptseg.masks.overlap import iou
from promptseg.models.network import Network
from promptseg.notes import Note
from promptseg.segment import sam as module
from promptseg.segment.cache import EmbeddingCache, key_of
from promptseg.segment.embedding_files import EmbeddingFiles, EmbeddingKey

SHAPE = (1, 4, 8, 8)
BYTES = 4 * 8 * 8 * 2


class CountingRuntime:
    """Features are a hash of the picture, so that every picture has its own."""

    name = "counting"
    precision = "float32"

    def __init__(self, largest=3.0):
        self.calls = 0
        self.largest = largest

    def encode(self, image):
        self.calls += 1
        seed = int(np.abs(image).sum() * 1000) % 2**32
        features = np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)
        features[0, 0, 0, 0] = self.largest
        return features


@pytest.fixture(scope="module")
def network():
    return Network.load()


@pytest.fixture
def runtime():
    return CountingRuntime()


def picture(number):
    return Image.open(np.full((3, 5, 3), number, np.uint8))


def key(number=0):
    return EmbeddingKey(f"picture {number}", "mobile-sam", "weights", "float32")


def features_of(number=0):
    return np.random.default_rng(number).normal(size=SHAPE).astype(np.float16)


def entries(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_memory_keeps_what_was_computed(runtime, network):
    cache = EmbeddingCache()
    first = cache.embed(runtime, picture(1), network)
    again = cache.embed(runtime, picture(1), network)
    assert runtime.calls == 1
    assert np.array_equal(first.features, CountingRuntime().encode(_input(1)))
    assert np.array_equal(first.features, again.features)
    assert (first.rounded, again.rounded) == (False, False)
    assert first.features.dtype == np.float32
    assert not again.features.flags.writeable
    cache.embed(runtime, picture(2), network)
    assert runtime.calls == 2


def _input(number):
    from promptseg.geometry import ResizeFrame
    from promptseg.images import preprocess

    image = picture(number)
    return preprocess(image, ResizeFrame.fit(image.size))


def test_memory_is_bounded_and_forgets_what_was_not_used_for_longest(runtime, network):
    cache = EmbeddingCache(memory_bytes=3 * 2 * BYTES)
    for number in (1, 2, 3, 1, 4):
        cache.embed(runtime, picture(number), network)
        assert cache.memory_bytes <= 3 * 2 * BYTES
    assert (runtime.calls, len(cache)) == (4, 3)
    cache.embed(runtime, picture(1), network)
    assert runtime.calls == 4, "1 was used after 2"
    cache.embed(runtime, picture(2), network)
    assert runtime.calls == 5, "2 had to go"
    nothing = EmbeddingCache(memory_bytes=0)
    for _ in range(2):
        nothing.embed(runtime, picture(1), network)
    assert (runtime.calls, len(nothing)) == (7, 0)


def test_a_folder_gives_the_same_features_cold_and_warm(runtime, network, tmp_path):
    cold = EmbeddingCache(tmp_path / "c").embed(runtime, picture(1), network)
    cache = EmbeddingCache(tmp_path / "c")
    warm, warmer = (cache.embed(runtime, picture(1), network) for _ in range(2))
    assert runtime.calls == 1
    exact = CountingRuntime().encode(_input(1))
    for found in (cold, warm, warmer):
        assert np.array_equal(found.features, exact.astype(np.float16).astype(np.float32))
        assert found.rounded
        assert found.features.dtype == np.float32
        assert not found.features.flags.writeable
    assert not np.array_equal(cold.features, exact)


def test_exact_goes_past_a_folder_but_not_past_memory(runtime, network, tmp_path):
    cache = EmbeddingCache(tmp_path / "c")
    for _ in range(2):
        found = cache.embed(runtime, picture(1), network, exact=True)
    assert runtime.calls == 2
    assert not found.rounded
    assert np.array_equal(found.features, CountingRuntime().encode(_input(1)))
    assert entries(tmp_path) == []
    memory = EmbeddingCache()
    for _ in range(2):
        memory.embed(runtime, picture(1), network, exact=True)
    assert runtime.calls == 3


def test_features_that_float16_cannot_hold_are_not_kept(network, tmp_path):
    runtime = CountingRuntime(largest=1e5)
    cache = EmbeddingCache(tmp_path / "c")
    for calls in (1, 2):
        found = cache.embed(runtime, picture(1), network)
        assert runtime.calls == calls
        assert found.features.max() == 1e5
        assert not found.rounded
    assert entries(tmp_path) == []


def test_the_key_is_picture_model_weights_and_precision(runtime, network):
    def digest(image=1, net=network, precision="float32"):
        engine = CountingRuntime()
        engine.precision = precision
        return key_of(engine, picture(image), net).digest

    other = Network(
        network.card, {**network.tensors, "image_encoder.neck.1.bias": np.zeros(256, np.float32)}, network.source
    )
    same = Network(network.card, dict(reversed(network.tensors.items())), network.source.with_name("other"))
    assert digest() == digest(net=same)
    assert len({digest(), digest(image=2), digest(net=other), digest(precision="bfloat16")}) == 4


def test_threads_with_one_picture_encode_it_once(network, tmp_path):
    arrived = threading.Barrier(4)
    runtime, cache, out = CountingRuntime(), EmbeddingCache(tmp_path / "c", memory_bytes=5 * BYTES), []

    def work():
        arrived.wait()
        for number in [*range(8), *range(8)]:
            out.append((number, cache.embed(runtime, picture(number), network).features.tobytes()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runtime.calls == 8
    assert len(set(out)) == 8
    assert len(out) == 64
    assert cache.memory_bytes == sum(BYTES for _ in range(len(cache))) <= 5 * BYTES


DAMAGES = {
    "empty": lambda content: b"",
    "cut in the head": lambda content: content[:20],
    "cut in the key": lambda content: content[:80],
    "cut at the end": lambda content: content[:-1],
    "longer": lambda content: content + b"\0",
    "one bit": lambda content: content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],
    "one bit of the key": lambda content: content[:60] + bytes([content[60] ^ 1]) + content[61:],
    "another format": lambda content: b"promptseg emb 0\n" + content[16:],
    "something else": lambda content: os.urandom(len(content)),
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_entries_are_dropped_and_made_again(runtime, network, tmp_path, damage):
    good = EmbeddingCache(tmp_path).embed(runtime, picture(1), network)
    (path,) = entries(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole))
    assert EmbeddingFiles(tmp_path).read(key_of(runtime, picture(1), network)) is None
    assert not path.exists(), "dropped"
    path.write_bytes(DAMAGES[damage](whole))
    again = EmbeddingCache(tmp_path).embed(runtime, picture(1), network)
    assert runtime.calls == 2
    assert np.array_equal(again.features, good.features)
    assert path.read_bytes() == whole


def test_an_entry_of_another_picture_is_foreign(tmp_path):
    files = EmbeddingFiles(tmp_path)
    files.write(key(1), features_of(1))
    files.path(key(2)).parent.mkdir(exist_ok=True)
    files.path(key(1)).rename(files.path(key(2)))
    assert files.read(key(2)) is None
    assert entries(tmp_path) == []


def test_what_is_written_is_read(tmp_path):
    files = EmbeddingFiles(tmp_path / "new" / "folder")
    assert files.read(key()) is None
    assert key() not in files
    files.write(key(), features_of())
    assert key() in files
    found = files.read(key())
    assert found.dtype == np.float16
    assert found.shape == SHAPE
    assert np.array_equal(found, features_of())
    assert files.size() == files.path(key()).stat().st_size < BYTES + 1000


def test_the_folder_is_bounded_and_forgets_what_was_not_used_for_longest(tmp_path):
    files = EmbeddingFiles(tmp_path)
    for number in range(4):
        files.write(key(number), features_of(number))
        os.utime(files.path(key(number)), (1000 + number, 1000 + number))
    assert files.read(key(0)) is not None, "used now"
    one = files.size() // 4
    (tmp_path / "note.txt").write_text("not ours")
    (tmp_path / "ab").mkdir(exist_ok=True)
    (tmp_path / "ab" / "other.embedding").write_text("not ours")
    bounded = EmbeddingFiles(tmp_path, limit=one * 3 + one // 2)
    bounded.write(key(4), features_of(4))
    assert [number for number in range(5) if key(number) in files] == [0, 3, 4]
    for number in range(5, 30):
        bounded.write(key(number), features_of(number))
        assert files.size() <= bounded.limit
    assert (tmp_path / "note.txt").exists()
    assert (tmp_path / "ab" / "other.embedding").exists()


def test_leftovers_of_killed_processes_are_swept(tmp_path):
    files = EmbeddingFiles(tmp_path)
    files.write(key(), features_of())
    folder = files.path(key()).parent
    old, young, other = (
        folder / f".{'a' * 40}.{'0' * 16}.part",
        folder / f".{'b' * 40}.{'0' * 16}.part",
        folder / ".mine.part",
    )
    for path in (old, young, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (1000, 1000))
    files.trim()
    assert [path.exists() for path in (old, young, other)] == [False, True, True]
    assert key() in files


WRITER = """
import sys
import numpy as np
from promptseg.segment.embedding_files import EmbeddingFiles, EmbeddingKey
files = EmbeddingFiles(sys.argv[1], limit=int(sys.argv[2]))
for turn in range(6):
    for number in range(10):
        key = EmbeddingKey(f"picture {number}", "mobile-sam", "weights", "float32")
        right = np.random.default_rng(number).normal(size=(1, 4, 8, 8)).astype(np.float16)
        found = files.read(key)
        assert found is None or np.array_equal(found, right)
        files.write(key, right)
"""


def test_several_processes_share_a_folder(tmp_path):
    limit = 6 * (BYTES + 300)
    command = [sys.executable, "-c", WRITER, tmp_path, str(limit)]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    for writer in writers:
        _, err = writer.communicate()
        assert writer.returncode == 0, err
    files = EmbeddingFiles(tmp_path, limit=limit)
    files.trim()
    left = [number for number in range(10) if key(number) in files]
    assert left
    assert files.size() <= limit
    for number in left:
        assert np.array_equal(files.read(key(number)), features_of(number))
    assert all(path.suffix == ".embedding" for path in entries(tmp_path))


def test_bad_limits_and_places(runtime, network, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="is a file"):
        EmbeddingCache(tmp_path / "file")
    with pytest.raises(InputError, match="not be negative"):
        EmbeddingCache(memory_bytes=-1)
    with pytest.raises(InputError, match="at least 1 byte"):
        EmbeddingCache(tmp_path, disk_bytes=0)
    with pytest.raises(InputError, match="give one"):
        EmbeddingCache(disk_bytes=5)
    cache = EmbeddingCache(tmp_path / "later", must_write=True)
    (tmp_path / "later").write_bytes(b"in the way")
    with pytest.raises(OutputError, match="Cannot write"):
        cache.embed(runtime, picture(1), network)


def test_a_folder_that_cannot_be_written_is_told_once(runtime, network, tmp_path):
    cache = EmbeddingCache(tmp_path / "later")
    (tmp_path / "later").write_bytes(b"in the way")
    with pytest.warns(Note, match="in memory only"):
        first = cache.embed(runtime, picture(1), network)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = cache.embed(runtime, picture(1), network)
        cache.embed(runtime, picture(2), network)
    assert np.array_equal(first.features, again.features)
    assert len(cache) == 2
    cache.forget(picture(1).digest)
    assert len(cache) == 1


def test_the_segmenter_uses_it(examples, segmenter, embedded, monkeypatch, tmp_path):
    # The engine that is warm already, so that this costs one embedding.
    monkeypatch.setattr(module, "create_runtime", lambda *_, **__: segmenter.runtime)
    cat, fresh = examples / "chelsea.jpg", embedded("chelsea")
    assert Segmenter().cache is None
    first = Segmenter(cache=tmp_path / "c")
    assert not first.is_cached(cat)
    cold = first.embed(cat)
    assert first.is_cached(cat)
    second = Segmenter(cache=EmbeddingCache(tmp_path / "c"))
    monkeypatch.setattr(segmenter.runtime, "encode", lambda *_: pytest.fail("embedded again"))
    warm = second.embed(cat.read_bytes())
    assert np.array_equal(cold.features, warm.features)
    assert np.abs(warm.features - fresh.features).max() < 1e-3
    click = Point(220, 150)
    assert iou(second.segment(warm, click).masks[0], segmenter.segment(fresh, click).masks[0]) > 0.999
    exact = []
    monkeypatch.setattr(segmenter.runtime, "encode", lambda *_: exact.append(1) or fresh.features.copy())
    for image in (cat, warm):
        second.everything(image, mode="exact", points_per_side=1)
    assert len(exact) == 2, "the exact mode does not take rounded features"
    second.everything(fresh, mode="exact", points_per_side=1)
    assert len(exact) == 2
