"""From a network's raw maps to candidate boxes, on the device."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from edge.models.heads import Head

CANDIDATES = 512  # a picture: the best boxes leave the device, the others are dropped

_MAX_LOG_SCALE = (
    10.0  # a larger width or height, of exp(10) anchors, is noise, and its exp may overflow
)


def decode(maps: tuple[Tensor, ...], heads: tuple[Head, ...]) -> Tensor:
    """Raw maps (N, anchors x (5 + classes), H, W) to (N, K, 6) candidates, best first.

    A row is score, class index, x1, y1, x2, y2 in input pixels; the score is objectness times the
    best class's probability. K is `CANDIDATES`, or as many as there are. All of fixed shape, so
    that it can be captured in a CUDA graph. A score that is NaN counts as 0.
    """
    rows = torch.cat(
        [_rows(raw, len(head.anchors)) for raw, head in zip(maps, heads, strict=True)], dim=1
    )
    best, classes = rows[..., 5:].max(dim=2)
    activated = heads[0].activated
    objectness, best = (x if activated else torch.sigmoid(x) for x in (rows[..., 4], best))
    scores = (objectness * best).nan_to_num(nan=0.0)
    top_scores, top = scores.topk(min(CANDIDATES, scores.shape[1]), dim=1)
    sizes = tuple((raw.shape[3], raw.shape[2]) for raw in maps)
    grid = _grid(sizes, heads, rows.device)[top]
    cell, stride, anchor, scale_xy = torch.split_with_sizes(grid, (2, 1, 2, 1), dim=2)
    raw_boxes = rows[..., :4].gather(1, top[..., None].expand(-1, -1, 4))
    raw_centre, raw_sides = raw_boxes[..., :2], raw_boxes[..., 2:]
    if activated:
        within, scale = raw_centre, (2 * raw_sides) ** 2
    else:
        within, scale = torch.sigmoid(raw_centre), torch.exp(raw_sides.clamp(max=_MAX_LOG_SCALE))
    centre = (within * scale_xy - (scale_xy - 1) / 2 + cell) * stride
    half = scale * anchor / 2
    labels = classes.gather(1, top).float()
    return torch.cat(
        (top_scores[..., None], labels[..., None], centre - half, centre + half), dim=2
    )


def _rows(raw: Tensor, anchors: int) -> Tensor:
    """A raw map as (N, boxes, 5 + classes) float32: row by row, cell by cell, anchor by anchor."""
    batch, channels = raw.shape[:2]
    return raw.permute(0, 2, 3, 1).reshape(batch, -1, channels // anchors).float()


@cache  # bounded by the number of input sizes: a few hundred entries of kilobytes
def _grid(
    sizes: tuple[tuple[int, int], ...], heads: tuple[Head, ...], device: torch.device
) -> Tensor:
    """(boxes, 6): cell x and y, stride, anchor width and height, scale_xy, in `_rows` order."""
    grids = []
    for (width, height), head in zip(sizes, heads, strict=True):
        grid = torch.empty(height, width, len(head.anchors), 6)
        grid[..., 0] = torch.arange(width)[None, :, None]
        grid[..., 1] = torch.arange(height)[:, None, None]
        grid[..., 2] = head.stride
        grid[..., 3:5] = torch.tensor(head.anchors)
        grid[..., 5] = head.scale_xy
        grids.append(grid.view(-1, 6))
    return torch.cat(grids).to(device)
