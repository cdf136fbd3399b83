"""Run one case in a process of its own, and print what it cost as one line of JSON.

    python case.py {build,parse} {batchline,instructor,orjson} MODEL ROWS FILE

Each side is warmed by a few rows, so that imports and first calls are not
counted, and each is given its input in memory before the clock starts. FILE is
what `build` writes, and what `parse` reads.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metering import metered
from workload import MODEL, MODELS, conversations

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

_WARM_ROWS = 20


def _processor(side: str, model: type[BaseModel]) -> Any:
    # The two interfaces are the same, so both sides run the same lines.
    module = importlib.import_module({"batchline": "batchline", "instructor": "instructor.batch"}[side])
    return module.BatchProcessor(f"openai/{MODEL}", model)


def _build(side: str, model: type[BaseModel]) -> Callable[[list[Any], Path], object]:
    if side == "orjson":
        return lambda given, file: _bare_loop(model, given, file)
    processor = _processor(side, model)
    return lambda given, file: processor.create_batch_from_messages(given, file_path=str(file))


def _bare_loop(model: type[BaseModel], given: list[Any], file: Path) -> None:
    """What one would write by hand: a dict for each row, encoded and written."""
    import orjson  # noqa: PLC0415 - Instructor's interpreter has none

    schema = {"name": model.__name__, "strict": True, "schema": model.model_json_schema()}
    form = {"type": "json_schema", "json_schema": schema}
    with file.open("wb") as target:
        for row, messages in enumerate(given):
            body = {
                "model": MODEL,
                "messages": messages,
                "max_tokens": 1000,
                "temperature": 0.1,
                "response_format": form,
            }
            line = {
                "custom_id": f"request-{row}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": body,
            }
            target.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _run_build(side: str, model: type[BaseModel], rows: int, file: Path) -> dict[str, Any]:
    build = _build(side, model)
    given = conversations(rows)
    build(given[:_WARM_ROWS], file)
    with metered() as meter:
        build(given, file)
    with file.open("rb") as written:
        count = sum(1 for _ in written)
    return {**vars(meter), "rows": count}


def _run_parse(side: str, model: type[BaseModel], rows: int, file: Path) -> dict[str, Any]:
    processor = _processor(side, model)
    with file.open("rb") as source:
        warm = b"".join(next(source) for _ in range(min(rows, _WARM_ROWS)))
    processor.parse_results(warm.decode())
    if side == "instructor":
        content = file.read_text(encoding="utf-8")
        with metered() as meter:
            results = processor.parse_results(content)
        return {**vars(meter), "rows": sum(result.success for result in results)}
    with metered() as meter, file.open("rb") as source:
        count = 0
        for result in processor.iter_parse(source):
            count += result.success
    return {**vars(meter), "rows": count}


def main() -> None:
    """Run the case that the command line names."""
    action, side, shape, rows, file = sys.argv[1:]
    run = {"build": _run_build, "parse": _run_parse}[action]
    with contextlib.redirect_stdout(io.StringIO()):  # Instructor prints
        figures = run(side, MODELS[shape], int(rows), Path(file))
    if figures["rows"] != int(rows):
        sys.exit(f"{action} by {side}: {figures['rows']} good rows of {rows}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
