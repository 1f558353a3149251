"""Boxes and lines in pixels, and what they share."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""
Line = tuple[float, float, float, float]
"""From across and down to across and down."""


def common(one: Box, other: Box) -> float:
    """The area that two boxes share."""
    across, down = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(across, 0.0) * max(down, 0.0)


def crosses(line: Line, box: Box) -> bool:
    """Whether a line goes through a box."""
    left, top, right, bottom = box
    return any(left < x < right and top < y < bottom for x, y in ((line[0], line[1]), (line[2], line[3]))) or any(
        cross(line, diagonal) for diagonal in ((left, top, right, bottom), (left, bottom, right, top))
    )


def cross(one: Line, other: Line) -> bool:
    """Whether two lines cross."""

    def side(line: Line, x: float, y: float) -> float:
        return (line[2] - line[0]) * (y - line[1]) - (line[3] - line[1]) * (x - line[0])

    apart = side(one, *other[:2]) * side(one, *other[2:]) < 0
    return apart and side(other, *one[:2]) * side(other, *one[2:]) < 0
