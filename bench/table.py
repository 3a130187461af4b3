"""A table of medians with the spread of their samples."""

from statistics import median

SUBJECTS = ["proxydhcpd", "floor", "dnsmasq", "tftpd-hpa", "nginx", "dnsmasq + nginx", "over IPv4"]


class Table:
    def __init__(self):
        self.rows = []

    def section(self, title):
        self.rows.append(Section(title))

    def row(self, what, digits=1, expect=None):
        row = Row(what, digits, expect)
        self.rows.append(row)
        return row

    def ratio(self, what, row, to, expect=None):
        """The figure of each round divided by that of `to` in the same round, so that a slow round affects both."""
        self.rows.append(Ratio(what, row, to, expect))

    def figures(self):
        """All samples, for programs: for each section its rows, and for each row the samples by subject."""
        self.text()  # calculates the ratios
        sections = {}
        for row in self.rows:
            if isinstance(row, Section):
                rows = sections.setdefault(row.what, {})
            else:
                rows[row.what.strip()] = {"samples": row.samples, "expected": row.expect and row.expect[0]}
        return sections

    def text(self):
        lines = [row.cells() for row in self.rows]
        lines.insert(0, ["", *SUBJECTS, "spread", "expected", ""])
        widths = [max(len(line[column]) for line in lines if len(line) > 1) for column in range(len(lines[0]))]
        widths[0] = max(widths[0], 2 + max(len(row.what) for row in self.rows if not isinstance(row, Section)))
        return "\n".join(align(line, widths) for line in lines)


def align(line, widths):
    if len(line) == 1:
        return "\n" + line[0]
    cells = [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:-2], widths[1:-2]))]
    return "  ".join([*cells, line[-2].ljust(widths[-2]), line[-1]]).rstrip()


class Section:
    def __init__(self, what):
        self.what = what

    def cells(self):
        return [self.what]


class Row:
    """A measurement: samples by subject, and the requirement for proxydhcpd (a text, and a test of the figure)."""

    def __init__(self, what, digits, expect):
        self.what, self.digits, self.expect = what, digits, expect
        self.samples = {}

    def add(self, subject, figure):
        self.samples.setdefault(subject, []).append(figure)

    def cells(self):
        return [f"  {self.what}", *map(self.figure, SUBJECTS), self.spread(), *self.verdict()]

    def figure(self, subject):
        samples = self.samples.get(subject)
        return f"{median(samples):,.{self.digits}f}" if samples else "-"

    def spread(self):
        """The largest spread of a subject: half of the range of its samples, relative to the median."""
        spreads = [(max(s) - min(s)) / 2 / median(s) for s in self.samples.values() if len(s) > 1]
        return f"±{max(spreads):.0%}" if spreads else "-"

    def verdict(self):
        if not self.expect:
            return "", ""
        text, meets = self.expect
        samples = self.samples.get(SUBJECTS[0])
        return text, "" if not samples else "met" if meets(median(samples)) else "MISSED"


class Ratio(Row):
    def __init__(self, what, row, to, expect):
        super().__init__(what, 2, expect)
        self.row, self.to = row, to

    def cells(self):
        base = self.row.samples.get(self.to, [])
        self.samples = {
            subject: [figure / other for figure, other in zip(samples, base)]
            for subject, samples in self.row.samples.items()
            if base
        }
        return super().cells()
