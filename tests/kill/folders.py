"""What lies in the folder of a run: after each kill, and at the end beside an uninterrupted run."""

import json
import re
from pathlib import Path
from typing import Any

from kill.training import METRICS, RESULT, SNAPSHOT, digest, flatten, records

from nn.state import safe_load, safe_load_metadata
from tinygrad_lite import files

LEFTOVER = re.compile(re.escape(files.LEFTOVER[0]) + ".*" + re.escape(files.LEFTOVER[1]))
NAMES = {SNAPSHOT, METRICS, RESULT, "run.best.safetensors", "events"}
MOST = 30  # differences that are told
NUMBERED = re.compile(r"run\.\d+\.safetensors")


def faults_after_a_kill(folder: Path, saved: int | None, kills: int) -> list[str]:
    """What is wrong with it; `saved` is the step of the last save that ended."""
    names = sorted(path.name for path in folder.iterdir())
    leftovers = [name for name in names if LEFTOVER.fullmatch(name)]
    unknown = [n for n in names if n not in NAMES and not NUMBERED.fullmatch(n)]
    found = [f"unexpected file {name}" for name in unknown if name not in leftovers]
    if len(leftovers) > kills:
        found.append(f"{len(leftovers)} temporary files after {kills} kills")
    if saved is not None and SNAPSHOT not in names:
        found.append(f"no snapshot, though one was saved at step {saved}")
    for name in names:
        if name.endswith(".safetensors"):
            try:
                content(folder / name)
            except Exception as error:  # whatever it is, it is what we look for
                found.append(f"{name} cannot be read: {error}")
    return found


def summary(folder: Path) -> dict[str, str]:
    """A digest of all that the folder of a run must hold at its end."""
    paths = sorted(folder.glob("*.safetensors"))
    found: dict[str, Any] = {
        "result": json.loads((folder / RESULT).read_text()),
        "names of snapshots": " ".join(path.name for path in paths),
        "records": records(folder / METRICS),
        **{path.name: content(path) for path in paths},
    }
    flat: dict[str, Any] = {}
    flatten("", found, flat)
    return {name: digest(value) for name, value in flat.items()}


def content(path: Path) -> dict[str, Any]:
    """The plain values and the arrays of a snapshot; not of the metrics, in which times stand."""
    state = json.loads(safe_load_metadata(path)["state"])
    del state["parts"]["metrics"]
    arrays = {name: value for name, value in safe_load(path).items() if "metrics." not in name}
    return {"state": state, **arrays}


def differences(expected: dict[str, str], folder: Path) -> list[str]:
    """What a run that was killed has otherwise than the uninterrupted one, of this summary."""
    found = summary(folder)
    names = sorted(expected.keys() | found.keys())
    other = [f"other {name}" for name in names if expected.get(name) != found.get(name)]
    return other if len(other) <= MOST else [*other[:MOST], f"and {len(other) - MOST} others"]
