"""What pages of evaluations are made of: style, tables of figures with interval bars, question cards.

Texts in, HTML out; everything that came from a dataset, an index or a model is escaped here. Nothing is
fetched: no script, no font, no picture from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ziggurat.evaluation.bootstrap import Figure
from ziggurat.evaluation.saved import Row

STYLE = """
:root{color-scheme:light dark;--ink:#172033;--soft:#5b6780;--line:#e3e7f1;--paper:#fbfcff;--card:#fff;
--mark:#4f46e5;--faint:#c7c9f7;--good:#0f7b4f;--goodbg:#e5f5ee;--bad:#b3261e;--badbg:#fdecea}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf4;--soft:#9aa6bf;--line:#2a3145;--paper:#10141f;--card:#171c2a;
--mark:#8f8bff;--faint:#37376b;--good:#5fd3a0;--goodbg:#12312a;--bad:#ff9d94;--badbg:#3b1d1d}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,"Segoe UI",Roboto,"Noto Sans",
"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}
main{max-width:1060px;margin:0 auto;padding:40px 24px 72px}
h1{font-size:28px;line-height:1.25;margin:0 0 4px}h2{font-size:20px;margin:44px 0 10px}h3{font-size:16px;margin:22px 0 6px}
.lead{color:var(--soft);margin:0}.note{color:var(--soft);font-size:14px;margin:6px 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line);border-radius:10px;overflow:hidden}
th,td{text-align:left;padding:9px 14px;border-bottom:1px solid var(--line);vertical-align:middle}
tr:last-child>td,tr:last-child>th{border-bottom:0}
thead th{font-size:13px;color:var(--soft);font-weight:600}tbody th{font-weight:600}
td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.number b{font-size:17px}
td.number span{color:var(--soft);font-size:13px;margin-left:6px}
tbody.part th{white-space:nowrap}tbody+tbody{border-top:2px solid var(--line)}
svg.bar{display:block;width:230px;height:18px}
.bar .track{fill:var(--line)}.bar .value{fill:var(--faint)}.bar .span{stroke:var(--mark);stroke-width:2}
.bar .dot{fill:var(--mark)}.bar .zero{stroke:var(--soft);stroke-width:1}
details{background:var(--card);border:1px solid var(--line);border-radius:10px;margin:10px 0;padding:0 16px}
summary{cursor:pointer;padding:12px 0;font-weight:600}summary small{font-weight:400;color:var(--soft);margin-left:8px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:0 0 12px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
ol.found{margin:0 0 14px;padding-left:1.8em}ol.found li{margin:6px 0;padding-left:4px}
ol.found b{font-weight:600}.text{color:var(--soft);font-size:14px;display:block}
.path{display:block;font-size:14px;color:var(--mark)}
.tag{display:inline-block;font-size:12.5px;line-height:1.5;border-radius:999px;padding:0 9px;margin:0 4px 2px 0;white-space:nowrap}
.yes{background:var(--goodbg);color:var(--good)}.no{background:var(--badbg);color:var(--bad)}.plain{background:var(--line);color:var(--soft)}
footer{margin-top:48px;border-top:1px solid var(--line);padding-top:14px;font-size:14px;color:var(--soft)}
footer dd{font-family:ui-monospace,"Cascadia Mono",Menlo,monospace;font-size:13px}
@media(max-width:640px){main{padding:24px 14px 48px}svg.bar{width:130px}dl{grid-template-columns:1fr}dd{margin-bottom:6px}}
"""

_WIDTH, _HEIGHT, _PAD = 230.0, 18.0, 5.0


def document(title: str, lead: str, body: str) -> str:
    """A whole page around its body, which is HTML already."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f'<header><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p></header>{body}</main></body></html>\n'
    )


def figure_bar(figure: Figure, *, signed: bool = False) -> str:
    """A value and its interval on a line from 0 to 1, or from -1 to 1."""

    def at(value: float) -> float:
        share = (value + 1) / 2 if signed else value
        return _PAD + (_WIDTH - 2 * _PAD) * min(max(share, 0.0), 1.0)

    middle, start = _HEIGHT / 2, at(0.0)
    left, right = sorted((start, at(figure.value)))
    zero = f'<line class="zero" x1="{start:.1f}" x2="{start:.1f}" y1="1" y2="{_HEIGHT - 1}"/>' if signed else ""
    return (
        f'<svg class="bar" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{escape(str(figure))}">'
        f'<rect class="track" x="{_PAD}" y="{middle - 3}" width="{_WIDTH - 2 * _PAD}" height="6" rx="3"/>'
        f'<rect class="value" x="{left:.1f}" y="{middle - 3}" width="{right - left:.1f}" height="6" rx="3"/>{zero}'
        f'<line class="span" x1="{at(figure.low):.1f}" x2="{at(figure.high):.1f}" y1="{middle}" y2="{middle}"/>'
        + "".join(
            f'<line class="span" x1="{at(end):.1f}" x2="{at(end):.1f}" y1="{middle - 4}" y2="{middle + 4}"/>'
            for end in (figure.low, figure.high)
        )
        + f'<circle class="dot" cx="{at(figure.value):.1f}" cy="{middle}" r="4.2"/></svg>'
    )


def figure_cells(figure: Figure | None, *, signed: bool = False) -> str:
    """The two cells of a figure: its number with the interval, and its bar."""
    if figure is None:
        return '<td class="number">not measured</td><td></td>'
    sign = "+" if signed else ""
    return (
        f'<td class="number"><b>{figure.value:{sign}.3f}</b><span>{figure.low:{sign}.3f} to {figure.high:{sign}.3f}</span></td>'
        f"<td>{figure_bar(figure, signed=signed)}</td>"
    )


def table(titles: Sequence[str], groups: Iterable[Sequence[str]]) -> str:
    """A table; each group of rows, HTML already, is set apart."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    bodies = "".join(f"<tbody>{''.join(rows)}</tbody>" for rows in groups)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>{bodies}</table></div>'


def facts(given: Mapping[str, Any]) -> str:
    """Names and values; what is None or empty is left out."""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>"
        for name, value in given.items()
        if value not in (None, "", [], {})
    )
    return f"<dl>{rows}</dl>"


def tag(text: str, kind: str) -> str:
    """A small label; ``kind`` is yes, no or plain."""
    return f'<span class="tag {kind}">{escape(text)}</span>'


def card(row: Row, measures: Sequence[str]) -> str:
    """A question with what was found beside the gold, and what was answered; closed until it is clicked."""
    told = ", ".join(f"{name} {row.scores[name]:.2f}" for name in measures if name in row.scores)
    gold = "".join(
        tag(f"{name} · {f'rank {rank}' if rank else 'not found'}", "yes" if rank else "no")
        for name, rank in row.gold.items()
    )
    said = _said(row.answer)
    wanted = f"<dt>gold</dt><dd>{gold}</dd>" if gold else ""
    facts_ = f"<dl>{wanted}{said}</dl>" if wanted or said else ""
    found = "".join(f"<li>{_passage(one)}</li>" for one in row.found)
    listed = f'<ol class="found">{found}</ol>' if found else ""
    return f"<details><summary>{escape(row.question)}<small>{escape(told)}</small></summary>{facts_}{listed}</details>"


def _said(answer: Mapping[str, Any]) -> str:
    if not answer:
        return ""
    parts = [
        f"<dt>answered</dt><dd>{escape(answer.get('text') or 'nothing')}</dd>",
        f"<dt>wanted</dt><dd>{escape(' · '.join(answer.get('wanted', [])) or 'not told')}</dd>",
    ]
    for one in answer.get("citations", ()):
        marks = tag("gold passage", "yes") if one["gold"] else tag("other passage", "plain")
        marks += "" if one["holds"] else tag("the quote does not stand there", "no")
        parts.append(
            f"<dt>cited</dt><dd>“{escape(one['quote'])}” <span class=text>{escape(one['place'])}</span>{marks}</dd>"
        )
    for one in answer.get("verdicts", ()):
        kind = {"yes": "yes", "no": "no"}.get(one["supported"], "plain")
        parts.append(f"<dt>judged</dt><dd>{escape(one['sentence'])} {tag(one['supported'], kind)}</dd>")
    if answer.get("error"):
        parts.append(f"<dt>failed</dt><dd>{escape(answer['error'])}</dd>")
    return "".join(parts)


def _passage(one: Mapping[str, Any]) -> str:
    name = str(one.get("title") or one.get("source") or one.get("id") or "a passage")
    text = str(one.get("text", "")).removeprefix(name).strip()
    path = "".join(f'<span class="path">↳ {escape(step)}</span>' for step in one.get("path", ()))
    mark = f" {tag('gold', 'yes')}" if one.get("gold") else ""
    return f'<b>{escape(name)}</b>{mark}{path}<span class="text">{escape(text)}</span>'
