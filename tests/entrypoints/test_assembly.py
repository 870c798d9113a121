"""What holds of the assembled whole, whatever is added to it."""

import re
from pathlib import Path

from alembic.script import ScriptDirectory

import smmpanel
from smmpanel.entrypoints import declarations, migrating
from smmpanel.entrypoints.revisions import newest_revision

SOURCE = Path(smmpanel.__file__).parent


def test_every_module_that_declares_jobs_is_loaded_by_every_process():
    declaring = {
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        for path in SOURCE.rglob("*.py")
        if re.search(r"^@(job|on|on_many)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    loaded = set(re.findall(r"^import (\S+)", Path(declarations.__file__).read_text(), re.MULTILINE))

    assert loaded == declaring


def test_the_newest_revision_is_the_one_that_migrations_end_at():
    assert newest_revision() == ScriptDirectory(str(migrating.MIGRATIONS)).get_current_head()
