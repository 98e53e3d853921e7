"""Draws one row of scripts/bench as SVG: a bar for each side at its median, and every sample on it."""

import statistics

WIDTH, BAR, LEFT = 720, 34, 170
COLOURS = {"ember": "#c2410c"}


def draw(row):
    sides = row["samples"]
    top = max(max(samples) for samples in sides.values()) or 1
    height = 60 + BAR * len(sides) + 20

    def x(value):
        return LEFT + value / top * (WIDTH - LEFT - 90)

    title = f"{row['name']}: {row['value']:.4g} {row['unit']}"
    if row["ratio"] is not None and row["unit"] != "ratio":
        title += f", {row['ratio']:.3g} × {row['floor'] or row['peer']}"
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
           'font-family="system-ui, sans-serif" font-size="13">',
           f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
           f'<text x="20" y="28" font-size="15" font-weight="600">{title}</text>']
    for index, (side, samples) in enumerate(sides.items()):
        y = 48 + index * BAR
        median = statistics.median(samples)
        colour = COLOURS.get(side, "#a8a29e")
        out.append(f'<text x="{LEFT - 10}" y="{y + 17}" text-anchor="end">{side}</text>')
        out.append(f'<rect x="{LEFT}" y="{y}" width="{x(median) - LEFT:.1f}" height="24" '
                   f'fill="{colour}" opacity="0.75"/>')
        out += [f'<circle cx="{x(sample):.1f}" cy="{y + 12}" r="2" fill="#1c1917" opacity="0.5"/>'
                for sample in samples]
        out.append(f'<text x="{x(max(samples)) + 8:.1f}" y="{y + 17}">{median:.4g}</text>')
    return "\n".join(out) + "\n</svg>\n"
