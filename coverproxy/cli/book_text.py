"""What is held of a book, as text for people."""

from typing import Any

from coverproxy.cli.covers import score_text


def book_text(told: dict[str, Any]) -> str:
    """Describe a book and its originals, as `list` prints them."""
    lines = [f"ISBN {told['isbn13']}" if told["isbn13"] else told["identifier"]]
    if hidden := told["hidden"]:
        lines.append(f"  hidden, including future originals: {_by(hidden)}")
    for each in told["originals"]:
        lines += _original_lines(each)
    here = {each["digest"] for each in told["originals"]}
    lines += [
        f"  {digest}  not here, and refused if it comes again: {_by(each)}"
        for digest, each in told["hidden_digests"].items()
        if digest not in here
    ]
    if not told["originals"]:
        lines.append("  no original")
    return "\n".join(lines)


def _original_lines(told: dict[str, Any]) -> list[str]:
    marks = [
        word
        for word in ("shown" if told["shown"] else "", "pinned" if told["pinned"] else "", told["state"],
                     told["role"], told["fault"] and f"FAULT {told['fault']}")
        if word
    ]  # fmt: skip
    return [
        f"  {told['digest']}  {told['width']}x{told['height']} {told['type']}"
        f"  source {told['source'] or '-'}  {', '.join(marks) or 'not the best'}",
        f"    {score_text(told['score'])}",
        f"    from {told['origin'] or '-'}" + (f", by {told['who']}" if told["who"] else ""),
    ]


def _by(decision: dict[str, str]) -> str:
    return f"{decision['who']}, {decision['at']}" + (f", {decision['note']!r}" if decision["note"] else "")
