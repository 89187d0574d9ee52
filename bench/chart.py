#!/usr/bin/env python3
"""Draw what bench/scale printed: time and memory against the number of devices, both axes logarithmic.

    build-bench/bench/scale > scale.txt && bench/chart.py < scale.txt > docs/benchmarks.svg

Lines of other programs are skipped, so the output of bench/all does as well. Plain Python, no packages.
"""
import math, re, sys

WIDTH, HEIGHT = 860, 380
PANELS = [  # title, unit, the figures and their colours; names are those that bench/scale prints
    ('Time', 's', [('registration over HTTPS', '#0b7285'), ('twin job, PUT to completed', '#c2255c'),
                   ('restart to ready', '#5f3dc4')]),
    ('Memory of the hub', 'MiB', [('memory during the job', '#c2255c'), ('memory after the restart', '#5f3dc4')]),
]
LEFT, TOP, PANEL_WIDTH, PANEL_HEIGHT, GAP = 60, 54, 340, 240, 60
SIZE = re.compile(r'^   (\d+) devices$')
FIGURE = re.compile(r'^   scale: (.+?) {2,}([0-9.]+) ')


def read(lines):
    """{name: [(devices, value), ..]}"""
    points, devices = {}, None
    for line in lines:
        if size := SIZE.match(line.rstrip()):
            devices = int(size[1])
        elif figure := FIGURE.match(line):
            points.setdefault(figure[1], []).append((devices, float(figure[2])))
    return points


def decades(values):
    return range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)


def short(value):
    for unit, size in (('M', 1e6), ('k', 1e3)):
        if value >= size:
            return f'{value / size:g}{unit}'
    return f'{value:g}'


def panel(left, title, unit, series):
    xs, ys = (decades([point[i] for _, points, _ in series for point in points]) for i in (0, 1))

    def at(value, axis, size):
        return (math.log10(value) - axis[0]) / max(axis[-1] - axis[0], 1) * size

    def place(point):
        return left + at(point[0], xs, PANEL_WIDTH), TOP + PANEL_HEIGHT - at(point[1], ys, PANEL_HEIGHT)

    yield f'<text x="{left}" y="{TOP - 16}" class="title">{title}, {unit}</text>'
    for power in ys:
        y = place((10 ** xs[0], 10 ** power))[1]
        yield f'<path d="M{left} {y:.1f}h{PANEL_WIDTH}" class="grid"/>'
        yield f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{short(10.0 ** power)}</text>'
    for power in xs:
        x = place((10 ** power, 10 ** ys[0]))[0]
        yield f'<path d="M{x:.1f} {TOP}v{PANEL_HEIGHT}" class="grid"/>'
        yield f'<text x="{x:.1f}" y="{TOP + PANEL_HEIGHT + 18}" text-anchor="middle">{short(10 ** power)}</text>'
    yield (f'<text x="{left + PANEL_WIDTH / 2}" y="{TOP + PANEL_HEIGHT + 36}" text-anchor="middle">devices</text>')
    for row, (name, points, colour) in enumerate(series):
        way = ' '.join(f'{x:.1f},{y:.1f}' for x, y in map(place, points))
        yield f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for point in points:
            x, y = place(point)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"><title>{point[1]:g} {unit}</title></circle>'
        y = TOP + 16 + 17 * row
        yield f'<path d="M{left + 10} {y - 4}h18" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{left + 34}" y="{y}">{name}: {points[-1][1]:g} {unit} at {short(points[-1][0])}</text>'


def main():
    points = read(sys.stdin)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
          'font-size="12" fill="#333">\n<style>.grid{stroke:#ddd}.title{font-size:14px;font-weight:bold}</style>\n'
          f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>')
    for i, (title, unit, wanted) in enumerate(PANELS):
        series = [(name, points[name], colour) for name, colour in wanted if name in points]
        if not series:
            sys.exit('chart: no lines of bench/scale on standard input')
        print('\n'.join(panel(LEFT + i * (PANEL_WIDTH + GAP + 20), title, unit, series)))
    print('</svg>')


main()
