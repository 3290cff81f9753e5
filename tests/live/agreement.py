"""The agreement of a community that a test makes up: finished, so that its instance starts."""

from pathlib import Path

FINISHED = "# What we agreed\n\nWe keep one another company, and nobody has to.\n"


def finish(folder: Path) -> None:
    """Put a finished agreement in place of the drafts beside the configuration in `folder`."""
    for draft in folder.glob("agreement.*.md"):
        draft.unlink()
    (folder / "agreement.md").write_text(FINISHED, "utf-8")
