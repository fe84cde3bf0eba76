"""What Tahoe-LAFS' own readers make of texts, for tahoe-cfg.real.test.ts.

Reads {"files": [...], "hints": [...], "endpoints": [...]} on standard input. Answers with one entry
a text: of a file its sections, or null where ConfigParser refuses it; of a hint the type that
Foolscap takes it for; of an endpoint string Twisted's arguments, or null.
"""

import configparser
import json
import sys

from foolscap.connections.tcp import convert_legacy_hint
from twisted.internet import endpoints


def sections(text):
    # As util/configutil.py and node.py do it: one byte order mark is passed over.
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text[1:] if text.startswith("\ufeff") else text)
    except (configparser.Error, AttributeError):
        return None
    return {
        name: {option: parser.get(name, option) for option in parser.options(name)}
        for name in parser.sections()
    }


def arguments(text):
    try:
        positional, named = endpoints._parse(text)
    except RuntimeError:
        return None
    return {"positional": positional, "named": named}


asked = json.load(sys.stdin)
json.dump(
    {
        "files": [sections(text) for text in asked["files"]],
        "hints": [convert_legacy_hint(text).split(":")[0] for text in asked["hints"]],
        "endpoints": [arguments(text) for text in asked["endpoints"]],
    },
    sys.stdout,
)
