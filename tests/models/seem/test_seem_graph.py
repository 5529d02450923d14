"""Who may look at whom, written out as matrices. Rows look, columns are seen."""

import pytest
import torch

from promptseg.models.seem.graph import PartTokens, allowed_pairs, attention_edges

CPU = torch.device("cpu")


def part(count, filling=(), owners=None):
    mask = torch.zeros(1, count, dtype=torch.bool)
    mask[0, list(filling)] = True
    return PartTokens(filling_BN=mask, owners_BN=None if owners is None else torch.tensor([owners]))


def matrix(text):
    return torch.tensor([[cell == "1" for cell in row.split()] for row in text.strip().splitlines()])[None]


SEPARATE = {"objects": part(2), "grounding": part(2), "spatial": part(2), "memory": part(2), "text": part(2)}
SEPARATE |= {"touch": part(2)}
#    objects grounding spatial memory text touch
V0 = """
     1 1     0 0     0 0     0 0   0 0   0 0
     1 1     0 0     0 0     0 0   0 0   0 0
     0 0     1 1     0 0     0 0   1 1   0 0
     0 0     1 1     0 0     0 0   1 1   0 0
     0 0     0 0     1 1     1 1   0 0   1 1
     0 0     0 0     1 1     1 1   0 0   1 1
     0 0     0 0     0 0     1 1   0 0   0 0
     0 0     0 0     0 0     1 1   0 0   0 0
     0 0     1 1     0 0     0 0   1 1   0 0
     0 0     1 1     0 0     0 0   1 1   0 0
     0 0     0 0     0 0     0 0   0 0   1 1
     0 0     0 0     0 0     0 0   0 0   1 1
"""


@pytest.mark.parametrize("graph", ["v0", "v1"])
def test_separate_queries(graph):
    assert torch.equal(allowed_pairs(attention_edges(graph), SEPARATE), matrix(V0))


def test_text_sees_regions():
    expected = matrix(V0)
    expected[:, 2:4, 10:] = True
    edges = attention_edges("v0", text_sees_regions=True)
    assert torch.equal(allowed_pairs(edges, SEPARATE), expected)


def test_regions_see_text():
    expected = matrix(V0)
    expected[:, 4:6, 8:10] = True
    edges = attention_edges("v1", regions_see_text=True)
    assert torch.equal(allowed_pairs(edges, SEPARATE), expected)


def test_demo():
    parts = {"objects": part(2), "text": part(1), "audio": part(1), "touch": part(2), "visual": part(1)}
    expected = matrix("""
        1 1   1   1   1 1   1
        1 1   1   1   1 1   1
        1 1   1   0   0 0   0
        1 1   0   1   0 0   0
        0 0   0   0   1 1   0
        0 0   0   0   1 1   0
        0 0   0   0   0 0   1
    """)
    assert torch.equal(allowed_pairs(attention_edges("demo"), parts), expected)


def test_memory_in_the_demo_is_seen_by_all_queries_and_sees_itself():
    parts = {"objects": part(1), "memory": part(2), "text": part(1)}
    expected = matrix("1 1 1 1 \n 0 1 1 0 \n 0 1 1 0 \n 1 0 0 1")
    assert torch.equal(allowed_pairs(attention_edges("demo"), parts), expected)


def test_objects_of_v1_ignore_one_another():
    parts = {
        "spatial": part(4, owners=[0, 0, 1, 1]),
        "memory": part(3, owners=[0, 1, 1]),
        "touch": part(3, owners=[1, 0, 1]),
    }
    expected = matrix("""
        1 1 0 0   1 0 0   0 1 0
        1 1 0 0   1 0 0   0 1 0
        0 0 1 1   0 1 1   1 0 1
        0 0 1 1   0 1 1   1 0 1
        0 0 0 0   1 0 0   0 0 0
        0 0 0 0   0 1 1   0 0 0
        0 0 0 0   0 1 1   0 0 0
        0 0 0 0   0 0 0   1 0 1
        0 0 0 0   0 0 0   0 1 0
        0 0 0 0   0 0 0   1 0 1
    """)
    assert torch.equal(allowed_pairs(attention_edges("v1"), parts), expected)


def test_nobody_sees_filling_and_filling_sees_itself():
    parts = {"objects": part(1), "text": part(3, filling=[1]), "touch": part(2, filling=[1])}
    expected = matrix("""
        1   1 0 1   1 0
        1   1 0 1   0 0
        0   0 1 0   0 0
        1   1 0 1   0 0
        0   0 0 0   1 0
        0   0 0 0   0 1
    """)
    assert torch.equal(allowed_pairs(attention_edges("demo"), parts), expected)


def test_samples_differ_only_in_their_filling():
    text = PartTokens(filling_BN=torch.tensor([[False, False], [False, True]]))
    allowed = allowed_pairs(attention_edges("demo"), {"objects": PartTokens.full(2, CPU), "text": text})
    assert allowed.shape == (2, 4, 4)
    assert allowed[0].all()
    assert torch.equal(allowed[1], matrix("1 1 1 0 \n 1 1 1 0 \n 1 1 1 0 \n 0 0 0 1")[0])
