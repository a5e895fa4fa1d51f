"""The report as one HTML file: its Markdown with the figures inside, for any browser, offline."""

import base64
import re
from collections.abc import Callable, Iterator
from html import escape

STYLE = """
body { font-family: system-ui, sans-serif; line-height: 1.45; color: #1a1a1a; max-width: 62rem;
  margin: 1rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; border-top: 1px solid #c8c8c8; padding-top: .8rem; }
table { border-collapse: collapse; margin: .5rem 0; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid #c8c8c8; padding: .15rem .5rem; text-align: left; vertical-align: top; }
.wide { overflow-x: auto; }
img { max-width: 100%; height: auto; }
figure { margin: .5rem 0; }
thead th { background: #f1f3f5; border-bottom: 2px solid #777; }
td:first-child { font-weight: 500; }
p, li { overflow-wrap: anywhere; }
@page { size: A4; margin: 14mm 13mm; }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 9.5pt; }
  h2 { break-after: avoid; } figure, tr, li { break-inside: avoid; } .wide { overflow: visible; }
  img { max-height: 235mm; }
}
"""

IMAGE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<path>[^)]+)\)")


def html_report(markdown: str, picture: Callable[[str], bytes]) -> str:
    """Turn a report into one HTML file without any outside request.

    Parameters
    ----------
    markdown
        Of `report_markdown`: headings, paragraphs, lists, tables, figures.
    picture
        Gives the bytes of the PNG file at a path of the report.
    """
    lines = markdown.splitlines()
    title = escape(lines[0].lstrip("# "))
    body = "\n".join(_blocks(lines, picture))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _blocks(lines: list[str], picture: Callable[[str], bytes]) -> Iterator[str]:
    """Give the report block by block; a block is lines of one kind."""
    place = 0
    while place < len(lines):
        line = lines[place]
        image = IMAGE.fullmatch(line)
        if line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            yield f"<h{level}>{_inline(line[level:].strip())}</h{level}>"
        elif image is not None:
            data = base64.b64encode(picture(image["path"])).decode("ascii")
            text = escape(image["text"], quote=True)
            yield f'<figure><img src="data:image/png;base64,{data}" alt="{text}"></figure>'
        elif line.startswith("| "):
            last = _end(lines, place, "|")
            yield _table(lines[place:last])
            place = last
            continue
        elif line.startswith("- "):
            last = _end(lines, place, "- ")
            items = "\n".join(f"<li>{_inline(item[2:])}</li>" for item in lines[place:last])
            yield f"<ul>\n{items}\n</ul>"
            place = last
            continue
        elif line.strip():
            yield f"<p>{_inline(line)}</p>"
        place += 1


def _end(lines: list[str], first: int, mark: str) -> int:
    last = first
    while last < len(lines) and lines[last].startswith(mark):
        last += 1
    return last


def _table(lines: list[str]) -> str:
    cells = [[_inline(cell.strip()) for cell in line.strip().strip("|").split("|")] for line in lines]
    head = "".join(f'<th scope="col">{cell}</th>' for cell in cells[0])
    rows = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells[2:])
    return (
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    )


def _inline(text: str) -> str:
    """Escape, then set what is bold or code."""
    text = escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)
