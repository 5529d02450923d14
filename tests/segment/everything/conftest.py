"""The official automatic mask generator, with stand-ins for torchvision's suppression and OpenCV's regions."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage


def batched_nms(boxes, scores, _categories, iou_threshold):
    """Greedy suppression in float32, as torchvision's on a CPU; all boxes are of one category."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = scores.sort(stable=True, descending=True)[1].tolist()
    kept = []
    for index in order:
        low = torch.maximum(boxes[index, :2], boxes[kept, :2])
        high = torch.minimum(boxes[index, 2:], boxes[kept, 2:])
        shared = (high - low).clamp(min=0).prod(dim=1)
        if not (shared / (area[index] + area[kept] - shared) > iou_threshold).any():
            kept.append(index)
    return torch.tensor(kept, dtype=torch.int64)


def connected_components_with_stats(mask, connectivity):
    assert connectivity == 8
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    return count + 1, labels, np.stack([areas], axis=1), None


@pytest.fixture(scope="session")
def official_generator(official_mobile_sam):
    """The official class, ready to run."""
    from mobile_sam import automatic_mask_generator as module

    opencv = ModuleType("cv2")
    opencv.connectedComponentsWithStats = connected_components_with_stats
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(sys.modules, "cv2", opencv)
        monkeypatch.setattr(module, "batched_nms", batched_nms)
        monkeypatch.setattr(module, "box_area", lambda box: (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]))
        yield official_mobile_sam.SamAutomaticMaskGenerator


@pytest.fixture
def blank_model():
    """What the official generator asks of a model when its predictor is replaced afterwards."""
    return SimpleNamespace(image_encoder=SimpleNamespace(img_size=1024), mask_threshold=0.0, device="cpu")
