"""What figures were made on: the machine, its disk, the versions, and the settings that count.

Written as the first line of every results file. No names of hosts or folders: a figure belongs to
a kind of machine, not to an address.
"""

import os
import platform
import statistics
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

from switch import limits

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "aiohttp",
    "asyncpg",
    "msgspec",
    "orjson",
    "pynacl",
    "py-ed25519-zebra-bindings",
    "uvloop",
)
SYNC_TRIALS = 200
SYNC_BYTES = 8192  # a page of Postgres
FOLDER_SETTINGS = frozenset({"unix_socket_directories", "data_directory"})
LIMITS = ("LANE_COUNT", "BATCH_SIZE_MAX", "FOLD_INTERVAL_S", "FOLD_SIZE_MAX")


async def fingerprint(folder: Path, connection: asyncpg.Connection) -> dict[str, Any]:
    """Machine and settings, with the database's own view of its settings."""
    rows = await connection.fetch(
        "SELECT name, setting, unit FROM pg_settings"
        " WHERE source NOT IN ('default', 'override', 'client') ORDER BY name"
    )
    return {
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "file_system": _file_system(folder),
        "sync_us": sync_us(folder),
        "load": [round(value, 2) for value in os.getloadavg()],
        "commit": _git("rev-parse", "--short", "HEAD"),
        "changed_files": len(_git("status", "--porcelain", "--", "switch").splitlines()),
        "python": platform.python_version(),
        "postgres": await connection.fetchval("SHOW server_version"),
        "packages": {name: version(name) for name in PACKAGES},
        "postgres_settings": {
            row["name"]: f"{row['setting']}{row['unit'] or ''}"
            for row in rows
            if row["name"] not in FOLDER_SETTINGS
        },
        "switch_limits": {name: getattr(limits, name) for name in LIMITS},
    }


def sync_us(folder: Path) -> float:
    """What one durable write of a page costs in this folder: the floor under every commit."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(SYNC_TRIALS):
            file.seek(0)
            file.write(os.urandom(SYNC_BYTES))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return round(1e6 * statistics.median(times), 1)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """Of the mount that holds the folder: the longest mount point above it."""
    found = ("", "")
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, kind, *_ = line.split()
        if folder.is_relative_to(mount) and len(mount) >= len(found[0]):
            found = (mount, kind)
    return found[1]


def _git(*arguments: str) -> str:
    try:
        ran = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout.strip()
