"""Writes docs/rules from the rules: `python docs/rule_pages.py`; `--check` only tells what differs."""

from __future__ import annotations

import sys
from pathlib import Path

from bitlens.actions import actions
from bitlens.rules import Rule, page, rules

FOLDER = Path(__file__).parent / "rules"


def pages() -> dict[str, str]:
    """Every file of docs/rules, by its name."""
    return {f"{rule.code}.md": _page(rule) for rule in rules()} | {"README.md": _index()}


def _page(rule: Rule) -> str:
    title, _, rest = page(rule).partition("\n\n")
    needs = " · needs a measurement" if rule.measured else ""
    return f"# {rule.code} {rule.name}\n\n{title}\n\nSeverity: {rule.severity}{needs}\n\n{rest}\n"


def _index() -> str:
    lines = [
        "# Rules and actions\n",
        "`bitlens check` and the language server follow the same rules."
        " `# noqa: BL101` on a line silences a rule there;"
        ' `[tool.bitlens] diagnostics.severity = { BL101 = "off" }` silences it everywhere.\n',
        "| code | name | severity | what |",
        "|---|---|---|---|",
    ]
    for rule in rules():
        title = page(rule).partition("\n\n")[0]
        lines.append(f"| [{rule.code}]({rule.code}.md) | {rule.name} | {rule.severity} | {title} |")
    lines.append("\n## Code actions\n")
    for action in actions():
        title, _, rest = (sys.modules[action.offers.__module__].__doc__ or "").partition("\n\n")
        lines.append(f"**{title}** {' '.join(rest.split())}\n")
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Write the pages, or with `--check` name those that differ and return 1."""
    wanted = pages()
    there = {file.name: file.read_text("utf-8") for file in FOLDER.glob("*.md")}
    different = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if "--check" in sys.argv:
        print(*different, sep="\n")
        return 1 if different else 0
    FOLDER.mkdir(exist_ok=True)
    for name in different:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], "utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
