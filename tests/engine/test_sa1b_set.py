"""SA-1B as a data set: folders, shards, Parquet and addresses hold the same; what strangers made is not trusted."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes_for_engine import RECORD
from PIL import Image as Pillow

from promptseg.engine.shards.changes import deduplicate, merge, sample, split_of, validate
from promptseg.engine.shards.entries import SA1BEntry, as_file, entries
from promptseg.engine.shards.writing import write_sa1b_set
from promptseg.errors import FormatError, InputError, OutputError


def record(number: int) -> bytes:
    return RECORD.replace("NUMBER", str(number)).replace("MASK", str(number << 14)).encode()


def picture(number: int) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(np.full((40, 60, 3), number, np.uint8)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Nine pictures as they are released."""
    folder = tmp_path / "release"
    folder.mkdir()
    for number in range(1, 10):
        (folder / f"sa_{number}.jpg").write_bytes(picture(number))
        (folder / f"sa_{number}.json").write_bytes(record(number))
    return folder


def content(source) -> dict[str, tuple[dict, bytes | None]]:
    return {
        each.name: (json.loads(each.record), None if each.picture is None else each.picture())
        for each in entries(source)
    }


def test_every_container_holds_the_same(release, tmp_path):
    known = content(release)
    assert len(known) == 9
    assert write_sa1b_set(entries(release), tmp_path / "tars", "tar", per_shard=4) == 9
    assert sorted(path.name for path in (tmp_path / "tars").iterdir()) == [f"sa_00000{n}.tar" for n in range(3)]
    assert content(tmp_path / "tars") == known
    assert write_sa1b_set(entries(tmp_path / "tars"), tmp_path / "folder") == 9
    assert content(tmp_path / "folder") == known
    pytest.importorskip("pyarrow")
    assert write_sa1b_set(entries(release), tmp_path / "table", "parquet", per_shard=5) == 9
    assert content(tmp_path / "table") == {name: (text, None) for name, (text, _) in known.items()}
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(tmp_path / "table").to_pylist()
    assert rows[0]["relative_size"] == pytest.approx((25 / 2400) ** 0.5)
    assert rows[0]["center_x"] == pytest.approx(2 / 60)  # SA-1B's boxes count from the first pixel to the last


def test_addresses_are_read_through_fsspec(release):
    pytest.importorskip("fsspec")
    assert content(f"file://{release}") == content(release)
    with pytest.raises(InputError, match="no SA-1B record"):
        list(entries("memory://nothing"))


def test_a_picture_without_masks_is_kept_in_parquet(release, tmp_path):
    pytest.importorskip("pyarrow")
    empty = json.loads(record(5)) | {"annotations": []}
    (release / "sa_5.json").write_text(json.dumps(empty))
    write_sa1b_set(entries(release), tmp_path / "table", "parquet")
    assert content(tmp_path / "table")["sa_5"][0] == empty


def test_sample_split_merge_and_deduplicate(release, tmp_path):
    names = [each.name for each in sample(release, count=3, seed=1)]
    write_sa1b_set(entries(release), tmp_path / "tars", "tar", per_shard=2)
    assert [each.name for each in sample(tmp_path / "tars", count=3, seed=1)] == names
    assert len(names) == 3
    assert 0 < len(list(sample(release, share=0.5))) < 9
    shares = {"train": 0.6, "val": 0.4}
    parts = [split_of(f"sa_{n}", shares) for n in range(1000)]
    assert 550 < parts.count("train") < 650
    with pytest.raises(InputError, match="add up to 1"):
        split_of("sa_1", {"train": 0.5})
    with pytest.raises(InputError, match="add up to 1"):
        split_of("sa_1", {"train": float("nan"), "val": 0.5})
    with pytest.raises(InputError, match="--renumber"):
        list(merge([release, tmp_path / "tars"]))
    merged = list(merge([release, tmp_path / "tars"], renumber=True))
    assert [each.name for each in merged] == [f"sa_{n}" for n in range(1, 19)]
    assert merged[9].read().image_id == 10
    assert len(list(deduplicate(merged))) == 9
    bare = [SA1BEntry(f"sa_{n}", "", record(n)) for n in (1, 2)]
    empty = [replace(each, record=json.dumps({**json.loads(each.record), "annotations": []}).encode()) for each in bare]
    assert [len(list(deduplicate(each))) for each in (bare, empty)] == [1, 2]


def test_validation_finds_what_is_wrong(release):
    good = validate(release)
    assert (good.pictures, good.masks, good.faulty, good.without_picture) == (9, 9, 0, 0)
    (release / "sa_1.jpg").unlink()
    (release / "sa_2.jpg").write_bytes(b"no picture")
    (release / "sa_3.json").write_text("{}")
    (release / "sa_4.json").write_bytes(record(5))
    Pillow.new("RGB", (9, 9)).save(release / "sa_6.jpg")
    found = validate(release)
    assert (found.faulty, found.without_picture) == (4, 1)
    assert {Path(where).name for where in found.faults} == {"sa_2.json", "sa_3.json", "sa_5.json", "sa_6.json"}
    assert validate(release, pictures=False).faulty == 2


def archive(path: Path, *members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            member, file = as_file(name, data)
            member.type = kind
            if kind != tarfile.REGTYPE:
                member.size, member.linkname = 0, "/etc/passwd"
            tar.addfile(member, file)
    return path


def test_names_in_an_archive_never_become_paths(tmp_path):
    path = archive(tmp_path / "evil.tar", ("../../sa_1.json", record(1)), ("/etc/sa_2.json", record(2)))
    assert [each.name for each in entries(path)] == ["sa_1", "sa_2"]
    write_sa1b_set(entries(path), tmp_path / "out" / "set")
    assert sorted(each.name for each in (tmp_path / "out").rglob("*.json")) == ["sa_1.json", "sa_2.json"]
    assert not (tmp_path / "sa_1.json").exists()
    odd = archive(tmp_path / "odd.tar", ("a b;c\u202e.json", record(3)))
    write_sa1b_set(entries(odd), tmp_path / "odd")
    assert len(list((tmp_path / "odd").iterdir())) == 1


def test_links_and_devices_are_passed_over_and_sizes_have_limits(tmp_path, monkeypatch):
    path = archive(tmp_path / "link.tar", ("sa_1.json", b""), kind=tarfile.SYMTYPE)
    with pytest.raises(InputError, match="no SA-1B record"):
        list(entries(path))
    monkeypatch.setattr("promptseg.engine.shards.entries.MOST_RECORD_BYTES", 100)
    with pytest.raises(FormatError, match="the most is 100"):
        list(entries(archive(tmp_path / "large.tar", ("sa_1.json", record(1)))))
    (tmp_path / "sa_1.json").write_bytes(record(1))
    with pytest.raises(FormatError, match="more than 100 bytes"):
        list(entries(tmp_path / "sa_1.json"))


@pytest.mark.parametrize("cut", [100, 700, 1500])
def test_damaged_archives_are_told(release, tmp_path, cut):
    write_sa1b_set(entries(release), tmp_path / "tars", "tar")
    path = tmp_path / "tars" / "sa_000000.tar"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FormatError, match=r"damaged|cut off"):
        list(entries(path))
    path.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(FormatError, match="no tar archive"):
        list(entries(path))


def test_damaged_parquet_is_told(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"PAR1nothing of the kindPAR1")
    with pytest.raises(FormatError, match="no Parquet file of SA-1B"):
        list(entries(tmp_path / "a.parquet"))


def test_nothing_is_written_over(release, tmp_path):
    with pytest.raises(OutputError, match="not empty"):
        write_sa1b_set(entries(release), release)
    with pytest.raises(InputError, match="Unknown container"):
        write_sa1b_set(entries(release), tmp_path / "x", "zip")
