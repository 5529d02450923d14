"""Label files: COCO, SA-1B, YOLO, labelme, SVG and PNG, read and written."""

from promptseg.formats.coco import read_coco, write_coco
from promptseg.formats.labelme import read_labelme, write_labelme
from promptseg.formats.options import WriteOptions
from promptseg.formats.sa1b import SA1BPicture, read_sa1b, write_sa1b
from promptseg.formats.svg import write_svg
from promptseg.formats.table import FORMATS, LabelFormat, LabelReader, write
from promptseg.formats.yolo import read_yolo, write_yolo

__all__ = [
    "FORMATS",
    "LabelFormat",
    "LabelReader",
    "SA1BPicture",
    "WriteOptions",
    "read_coco",
    "read_labelme",
    "read_sa1b",
    "read_yolo",
    "write",
    "write_coco",
    "write_labelme",
    "write_sa1b",
    "write_svg",
    "write_yolo",
]
