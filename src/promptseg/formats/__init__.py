"""Label files: COCO, YOLO, labelme, SVG and PNG, read and written."""
