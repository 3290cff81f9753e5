"""The JSON Schemas (2020-12) of what crosses a link, made from schema/wire.py: `python -m schema.json`."""

import json
from pathlib import Path

from pydantic.json_schema import GenerateJsonSchema

from schema.wire import BODY, Envelope, Opening

FOLDER = Path(__file__).parent


class _Untitled(GenerateJsonSchema):
    """JSON Schema without a title for each field, which would say its name again."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def schemas() -> dict[str, str]:
    """The text of each file by its name: one for each thing that is read whole."""
    shapes = {
        "envelope": Envelope.model_json_schema(mode="serialization", schema_generator=_Untitled),
        "opening": Opening.model_json_schema(mode="serialization", schema_generator=_Untitled),
        "body": BODY.json_schema(mode="serialization", schema_generator=_Untitled),
    }
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        f"{name}.json": json.dumps(dialect | schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, schema in shapes.items()
    }
