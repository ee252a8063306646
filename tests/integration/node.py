"""Programs of others in Node: the pinned packages of a folder, installed outside the checkout."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.conftest import missing

NPM_FOLDER = Path(__file__).parent / "npm"
INSTALL_S_MAX = 120
RUN_S_MAX = 60


def install(folder: Path, source: Path = NPM_FOLDER) -> None:
    """Install what the lock file names, beside a copy of our scripts; skip where that cannot be."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("Node")
    shutil.copytree(source, folder, dirs_exist_ok=True)
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_S_MAX,
        check=False,
    )
    if done.returncode != 0:
        missing(f"what {source.name}/package-lock.json names ({done.stderr.strip()[-200:]})")


def run(folder: Path, script: str, job: Any) -> Any:
    """Run one of the scripts in an installed folder: a job in, a result out, both JSON."""
    done = subprocess.run(
        ["node", script],
        cwd=folder,
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
