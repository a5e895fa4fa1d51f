"""What the README promises: two commands, a case that exists, and no hand-typed results."""

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
ROOT = Path(__file__).parent.parent


def command(word: str) -> str:
    found = re.findall(rf"^python3 -m venv .*{word}.*$", README, flags=re.MULTILINE)
    assert len(found) == 1, found
    return str(found[0])


def test_main_command_names_a_bundled_case() -> None:
    case = command("doseplan run").split()[-1]
    assert (ROOT / case).is_file()


def test_ci_takes_both_commands_from_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert command("pytest").endswith(".venv/bin/pytest")
    assert "README.md" in script
    assert script.count('eval "$') == 2


def test_it_says_that_it_is_not_for_patients() -> None:
    assert "Not for clinical use" in README


def test_every_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
