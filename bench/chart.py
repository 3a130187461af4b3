"""Draws lines over a logarithmic axis as SVG, for the documentation."""

import math
from html import escape

WIDTH, HEIGHT = 780, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 50, 70
COLOURS = {"proxydhcpd": "#0b6bcb", "floor": "#737b85", "dnsmasq": "#c2410c"}
OTHER_COLOUR = "#4d7c0f"
STYLE = "text { font: 13px sans-serif; fill: #24292f } .title { font-size: 16px; font-weight: bold } .small { font-size: 11px; fill: #57606a }"


def draw(title, x_title, y_title, lines, note):
    """`lines` has for each name its points: pairs of a positive x and a y. Returns the text of the picture."""
    xs = sorted({x for points in lines.values() for x, _ in points})
    low, high = math.log10(xs[0]), math.log10(xs[-1])
    step = nice_step(max(y for points in lines.values() for _, y in points))
    top = step * math.ceil(max(y for points in lines.values() for _, y in points) / step)

    def place(x, y):
        right = (math.log10(x) - low) / ((high - low) or 1)
        return LEFT + right * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#fff"/>',
        text(LEFT, 28, title, "title"),
        text(LEFT, HEIGHT - 30, x_title),
        text(8, TOP - 8, y_title, "small"),
        text(LEFT, HEIGHT - 10, note, "small"),
    ]
    for index in range(round(top / step) + 1):
        y = place(xs[0], index * step)[1]
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#d0d7de"/>')
        parts.append(text(LEFT - 8, y + 4, number(index * step), anchor="end"))
    for x in xs:
        parts.append(text(place(x, 0)[0], HEIGHT - BOTTOM + 18, number(x), "small", "middle"))
    for name, points in lines.items():
        colour = COLOURS.get(name.partition(",")[0], OTHER_COLOUR)
        places = [place(x, y) for x, y in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    parts += labels({name: place(*points[-1])[1] for name, points in lines.items()})
    return "\n".join([*parts, "</svg>", ""])


def labels(ends):
    """The name of each line at its end, one below the other where lines end at nearly the same height."""
    lowest = 0
    for name, y in sorted(ends.items(), key=lambda end: end[1]):
        lowest = max(y + 4, lowest + 15)
        yield text(WIDTH - RIGHT + 10, lowest, name)


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def nice_step(highest):
    """A step of 1, 2 or 5 times a power of ten, of which at most six reach the highest value."""
    power = 10 ** math.floor(math.log10(highest / 6 or 1))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * 6 >= highest)


def number(value):
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"
