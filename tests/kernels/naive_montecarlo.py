"""Slow twins of pieces of the Monte Carlo kernel: chance by counters, a straight flight in voxels."""

import math

MASK = 0xFFFFFFFF


def philox(counter, key):
    """Philox 4x32-10 in Python's own integers."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (second >> 32) ^ b ^ k, second & MASK, (first >> 32) ^ d ^ m, first & MASK
        k, m = (k + 0x9E3779B9) & MASK, (m + 0xBB67AE85) & MASK
    return [a, b, c, d]


def straight(media, grid, place, response, node_step, start, direction, residual, cut):
    """Slow an ion down on a straight line by tiny pieces; returns the score (row, channel) of weight 1.

    Pieces end at no voxel face in particular: their length is the error.
    """
    corner, edge, shape = grid
    score = [[0.0] * len(response[0]) for _ in range(sum(int(axis[-1]) for axis in place) + 1)]
    piece, position = 2e-3, list(start)

    def table(left, channel):
        spot = math.sqrt(max(left, 0.0)) / node_step
        node = min(int(spot), len(response) - 2)
        part = spot - node
        return response[node][channel] * (1.0 - part) + response[node + 1][channel] * part

    while residual > cut:
        index = [
            math.floor((position[a] + 0.5 * piece * direction[a] - corner[a]) / edge[a]) for a in range(3)
        ]
        if not all(0 <= index[a] < shape[a] for a in range(3)):
            break
        rsp = float(media[index[2], index[1], index[0], 0])
        after = residual - 0.1 * rsp * piece
        after = after if after > cut else 0.0
        row = sum(int(place[a][index[a]]) for a in range(3))
        for channel in range(len(response[0])):
            score[row][channel] += (table(residual, channel) - table(after, channel)) / rsp
        residual = after
        position = [position[a] + piece * direction[a] for a in range(3)]
    return score
