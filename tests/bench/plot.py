# SPDX-License-Identifier: Apache-2.0
"""Line charts with logarithmic axes as SVG, no library needed."""
import math

WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 46, 50
COLOURS = ("#0b62a4", "#d1622b", "#3d8c40", "#7a4fa3")


def number(v):
    for unit, text in ((1e6, "M"), (1e3, "k")):
        if v >= unit:
            return f"{v / unit:g}{text}"
    return f"{v:g}"


def ticks(low, high):
    """Powers of ten; 2 and 5 times those as well if that makes few marks."""
    out = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        out += [m * 10.0 ** power for m in (1, 2, 5)]
    fine = [v for v in out if low <= v * 1.0001 and v <= high * 1.0001]
    whole = [v for v in fine if abs(math.log10(v) - round(math.log10(v))) < 1e-9]
    return fine if len(whole) < 4 else whole


def svg(title, x_label, y_label, lines):
    """lines: {name: [(x, y), ...]}; every x and y is above 0."""
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    x_low, x_high = min(xs), max(max(xs), min(xs) * 2)
    y_low, y_high = min(ys) / 1.5, max(ys) * 1.5

    def at_x(x):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / x_low) / math.log(x_high / x_low)

    def at_y(y):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log(y / y_low) /
                                                            math.log(y_high / y_low))

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<title>{title}</title>',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
           f'<text x="{LEFT}" y="18" font-size="14" font-weight="bold">{title}</text>']
    for y in ticks(y_low, y_high):
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at_y(y):.1f}" y2="{at_y(y):.1f}" '
                   'stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{at_y(y) + 4:.1f}" text-anchor="end">{number(y)}'
                   '</text>')
    for x in sorted(set(xs)):
        out.append(f'<line x1="{at_x(x):.1f}" x2="{at_x(x):.1f}" y1="{HEIGHT - BOTTOM}" '
                   f'y2="{HEIGHT - BOTTOM + 4}" stroke="#333333"/>')
        out.append(f'<text x="{at_x(x):.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">'
                   f'{number(x)}</text>')
    out.append(f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" '
               'stroke="#333333"/>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 12}" '
               f'text-anchor="middle">{x_label}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(f'<text x="16" y="{middle:.0f}" text-anchor="middle" '
               f'transform="rotate(-90 16 {middle:.0f})">{y_label}</text>')
    for i, (name, points) in enumerate(lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" fill="{colour}">'
                f'<title>{name}: {number(x)}, {y:.0f}</title></circle>' for x, y in points]
        start = LEFT + 150 * i
        out.append(f'<line x1="{start}" x2="{start + 20}" y1="32" y2="32" stroke="{colour}" '
                   'stroke-width="2"/>')
        out.append(f'<text x="{start + 26}" y="36">{name}</text>')
    return "\n".join(out) + "\n</svg>\n"
