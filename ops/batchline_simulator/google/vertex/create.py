"""The call that creates a job: what it must say, and which models there are where.

Little is checked here, as at Google: buckets, rows and permissions on either
show only once the job runs.
"""

import re
from typing import Any

import orjson
from starlette.requests import Request

from batchline_simulator.config import SimulatorConfig
from batchline_simulator.google.rpc_errors import refused
from batchline_simulator.google.vertex.inputs import address

_PUBLISHER_MODEL = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?publishers/[^/]+/models/([^/]+)")
_TUNED_MODEL = re.compile(r"projects/[^/]+/locations/[^/]+/models/[^/]+")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_MAX_LABELS = 64
_ONLY_GLOBAL = "gemini-3"
"""What the models start with that run nowhere but in `global`."""


async def wanted_job(request: Request, config: SimulatorConfig) -> dict[str, Any]:
    """Read the body of a create call, or refuse the call."""
    try:
        wanted = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        wanted = None
    if not isinstance(wanted, dict):
        raise refused(400, "Invalid JSON payload received.")
    if not isinstance(wanted.get("displayName"), str) or not wanted["displayName"]:
        raise refused(400, "The display name must be set.")
    _check_formats(wanted)
    _check_labels(wanted.get("labels"))
    _check_model(wanted.get("model"), request.path_params["location"], config)
    return wanted


def _check_formats(wanted: dict[str, Any]) -> None:
    source, target = wanted.get("inputConfig"), wanted.get("outputConfig")
    if not isinstance(source, dict) or not isinstance(target, dict):
        raise refused(400, "inputConfig and outputConfig must be set.")
    if source.get("instancesFormat") != "jsonl" or target.get("predictionsFormat") != "jsonl":
        raise refused(501, "The simulator reads and writes jsonl only.")
    uris = (source.get("gcsSource") or {}).get("uris")
    if not isinstance(uris, list) or not uris or any(address(uri) is None for uri in uris):
        raise refused(400, "inputConfig.gcsSource.uris must be Cloud Storage addresses.")
    if address((target.get("gcsDestination") or {}).get("outputUriPrefix")) is None:
        raise refused(400, "outputConfig.gcsDestination.outputUriPrefix must be a Cloud Storage address.")


def _check_labels(labels: Any) -> None:
    if labels is None:
        return
    if not isinstance(labels, dict) or len(labels) > _MAX_LABELS:
        raise refused(400, f"labels must be an object of at most {_MAX_LABELS} pairs.")
    for key, value in labels.items():
        if not isinstance(value, str) or not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            rule = "Labels take lowercase letters, digits, underscores and dashes, up to 63 of them."
            raise refused(400, f"Invalid label {key!r}. {rule}")


def _check_model(model: Any, location: str, config: SimulatorConfig) -> None:
    if isinstance(model, str) and _TUNED_MODEL.fullmatch(model):
        return
    found = _PUBLISHER_MODEL.fullmatch(model) if isinstance(model, str) else None
    if found is None:
        raise refused(400, "The model must be publishers/PUBLISHER/models/MODEL or a tuned model's name.")
    name = found[1]
    if name in config.unsupported_models or (name.startswith(_ONLY_GLOBAL) and location != "global"):
        raise refused(404, f"The PublisherModel {name} does not exist.")
