"""JUnit XML, as test reports of CI systems read it: a suite for each file, a failed case for each finding."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from bitlens.cli.findings.checked import Checked, Located

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(checked: Checked) -> str:
    """One `testsuites` element; a file without findings is one passed case."""
    root = ElementTree.Element("testsuites", name="bitlens")
    failures = errors = tests = 0
    for file in checked.files:
        found = [item for item in checked.findings if item.file == file]
        broken = [problem for problem in checked.problems if problem.file == file]
        count = len(found) + len(broken) or 1
        suite = _element(
            root,
            "testsuite",
            name=file,
            tests=count,
            failures=len(found),
            errors=len(broken),
            skipped=0,
            time=0,
        )
        for item in found:
            _add_failure(suite, item)
        for problem in broken:
            case = _element(suite, "testcase", name=problem.code, classname=file, time=0)
            _element(case, "error", message=problem.message, type=problem.code)
        if not found and not broken:
            _element(suite, "testcase", name="bitlens", classname=file, time=0)
        failures, errors, tests = failures + len(found), errors + len(broken), tests + count
    root.attrib.update(tests=str(tests), failures=str(failures), errors=str(errors))
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=False) + "\n"


def _add_failure(suite: ElementTree.Element, item: Located) -> None:
    finding = item.finding
    case = _element(
        suite,
        "testcase",
        name=f"{finding.code} {finding.name} {finding.subject}",
        classname=item.file,
        time=0,
        file=item.file,
        line=item.line,
    )
    failure = _element(case, "failure", message=item.message, type=finding.severity)
    failure.text = _clean(f"{item.place}: {finding.message}")


def _element(parent: ElementTree.Element, tag: str, **attributes: object) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, {key: _clean(str(value)) for key, value in attributes.items()})


def _clean(text: str) -> str:
    """XML 1.0 cannot hold most control characters, not even escaped."""
    return _FORBIDDEN.sub("�", text)
