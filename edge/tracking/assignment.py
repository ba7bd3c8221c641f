"""Pairs of tracks and boxes: the most similar ones, each in one pair at most.

In a picture most tracks have a single candidate. What is left falls into small groups that compete
for the same boxes; these are solved at their optimum, with the Hungarian method (Kuhn 1955). Groups
larger than `MAX_EXACT`, as only a crowd or an attack makes, are paired greedily, best pair first:
the time stays bounded whatever is sent.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

MAX_EXACT = 12
"""Tracks or boxes of a group that is solved at its optimum."""


def assign(similarity: Mapping[tuple[int, int], float]) -> list[tuple[int, int]]:
    """(row, column) pairs with the largest sum of similarities; those not given are no pairs."""
    if len(similarity) == len({row for row, _ in similarity}) == len({c for _, c in similarity}):
        return list(similarity)
    pairs: list[tuple[int, int]] = []
    for group in _groups(similarity):
        if len(group) == 1:
            pairs += group
            continue
        values = {pair: similarity[pair] for pair in group}
        own_rows = sorted({row for row, _ in group})
        own_columns = sorted({column for _, column in group})
        if max(len(own_rows), len(own_columns)) > MAX_EXACT:
            pairs += _greedy(values)
        else:
            pairs += _optimum(values, own_rows, own_columns)
    return pairs


def _groups(pairs: Collection[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Pairs that share a row or a column, directly or by others."""
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent[above]
            node = above
        return node

    for row, column in pairs:
        parent[root(row)] = root(~column)  # columns are the negative nodes
    groups: dict[int, list[tuple[int, int]]] = {}
    for row, column in pairs:
        groups.setdefault(root(row), []).append((row, column))
    return list(groups.values())


def _greedy(values: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    pairs = []
    for row, column in sorted(values, key=lambda pair: -values[pair]):
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
            pairs.append((row, column))
    return pairs


def _optimum(
    values: dict[tuple[int, int], float], rows: list[int], columns: list[int]
) -> list[tuple[int, int]]:
    """Shortest augmenting paths with potentials, a row at a time; pairs without a value cost 0."""
    if len(rows) > len(columns):
        flipped = {(column, row): value for (row, column), value in values.items()}
        return [(row, column) for column, row in _optimum(flipped, columns, rows)]
    cost = [[-values.get((row, column), 0.0) for column in columns] for row in rows]
    width = len(columns)
    row_potential, column_potential = [0.0] * len(rows), [0.0] * (width + 1)
    row_of = [-1] * (width + 1)  # by column; the last one is where a search starts
    for start in range(len(rows)):
        row_of[width] = start
        column = width
        distance, before = [math.inf] * width, [width] * width
        seen = [False] * (width + 1)
        while row_of[column] >= 0:
            seen[column] = True
            row = row_of[column]
            shortest, following = math.inf, -1
            for other in range(width):
                if seen[other]:
                    continue
                reduced = cost[row][other] - row_potential[row] - column_potential[other]
                if reduced < distance[other]:
                    distance[other], before[other] = reduced, column
                if distance[other] < shortest:
                    shortest, following = distance[other], other
            for other in range(width + 1):
                if seen[other]:
                    row_potential[row_of[other]] += shortest
                    column_potential[other] -= shortest
                elif other < width:
                    distance[other] -= shortest
            column = following
        while column != width:
            row_of[column] = row_of[before[column]]
            column = before[column]
        row_of[width] = -1
    pairs = [(rows[row_of[c]], columns[c]) for c in range(width) if row_of[c] >= 0]
    return [pair for pair in pairs if pair in values]
