"""A captured terminal as a picture: an SVG with plain text in it, and no font from elsewhere."""

from __future__ import annotations

import html
import re

from salt_itstack.report import COLOURS, SIGNS

WIDTH, HEIGHT, MARGIN = 8, 18, 16
PAPER, INK = "#1b1f27", "#d7dae0"
INKS = {
    "30": "#5c6370", "31": "#ef6b73", "32": "#8cc570", "33": "#e5b567", "34": "#61afef", "35": "#c678dd",
    "36": "#56b6c2", "37": "#d7dae0", "90": "#7f8794",
}  # fmt: skip
_COLOUR = re.compile(r"\x1b\[([0-9;]*)m")
_OTHER = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]")
_BY_SIGN = {SIGNS[state]: COLOURS[state] for state in SIGNS}


def picture(captured: str) -> str:
    """The picture of a captured text, with or without colours of its own."""
    lines = [_OTHER.sub("", line.rsplit("\r", 1)[-1]) for line in captured.rstrip("\n").split("\n")]
    rows = [_parts(line) for line in lines]
    columns = max((sum(len(text) for text, _ in row) for row in rows), default=0)
    wide, high = columns * WIDTH + 2 * MARGIN, len(rows) * HEIGHT + 2 * MARGIN
    found = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
        ' role="img" aria-label="A terminal with the matrix of integrations">',
        f'<rect width="{wide}" height="{high}" rx="8" fill="{PAPER}"/>',
        f'<g font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="13"'
        f' fill="{INK}">',
    ]
    for number, row in enumerate(rows):
        place, y = MARGIN, MARGIN + number * HEIGHT + 13
        for text, colour in row:
            if text.strip():
                ink = f' fill="{INKS[colour]}"' if colour in INKS else ""
                found.append(
                    f'<text x="{place}" y="{y}" textLength="{len(text) * WIDTH}"{ink}>'
                    # Browsers fold plain spaces, whatever xml:space says on a group.
                    f"{html.escape(text, quote=False).replace(' ', '&#160;')}</text>"
                )
            place += len(text) * WIDTH
    return "\n".join([*found, "</g>", "</svg>"]) + "\n"


def _parts(line: str) -> list[tuple[str, str]]:
    """Pieces of a line with their colours; where it has none, the sign at its beginning says one."""
    pieces = _COLOUR.split(line)
    if len(pieces) == 1:
        return [(line, _BY_SIGN.get(line[:1], ""))]
    colour, found = "", [(pieces[0], "")]
    for codes, text in zip(pieces[1::2], pieces[2::2]):
        for one in codes.split(";"):
            colour = one if one in INKS else "" if one in ("", "0", "39") else colour
        found.append((text, colour))
    return found
