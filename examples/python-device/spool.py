"""Readings on disk until a gate has acknowledged them, one file each, in the order in which they came."""

import json
import os
import time
import uuid
from datetime import datetime, timezone

from credential import replace_file
from fleet import Failure, Link, Refused, Unreachable

KEPT_MAX = 10_000
BATCH_READINGS_MAX = 100
BATCH_BYTES_MAX = 256 * 1024
READING_BYTES_MAX = 65_536
# The statuses of reasons of the class "reading": this one will never pass (docs/reference/reason-codes.md).
NEVER = (400, 413, 415, 422)


def put(directory, stream, line):
    """The text of the reading stays as it is, digit for digit; its id and time are put before it."""
    text = require_object(line)
    kept = os.path.join(directory, "spool", stream)
    os.makedirs(kept, mode=0o700, exist_ok=True)
    if len(waiting(kept)) >= KEPT_MAX:
        raise Failure(f"the spool holds {KEPT_MAX} readings, as many as it may; send first")
    name, now = str(uuid.uuid4()), datetime.now(timezone.utc)
    own = f'"_id":"{name}","_time":"{now.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]}Z"'
    rest = text[1:].lstrip()
    replace_file(os.path.join(kept, f"{time.time_ns():020}-{name}.json"), f"{{{own}{'' if rest == '}' else ','}{rest}")


def require_object(line):
    def refuse(word):
        raise ValueError(f"{word} is not JSON")

    try:
        text = line.decode("utf-8").strip()
        value = json.loads(text, parse_constant=refuse)
    except ValueError as error:
        raise Failure(f"this is not JSON: {error}") from error
    if not isinstance(value, dict) or any(name.startswith("_") for name in value):
        raise Failure('a reading is one JSON object without members that begin with "_"')
    if len(line) > READING_BYTES_MAX - 256:
        raise Failure(f"the reading is too large; a gate takes {READING_BYTES_MAX} bytes")
    return text


def waiting(kept):
    return sorted(name for name in os.listdir(kept) if name.endswith(".json"))


class Delivery:
    """All that waits in one stream, through one gate."""

    def __init__(self, directory, stream, link):
        self._kept = os.path.join(directory, "spool", stream)
        self._refused = os.path.join(directory, "refused", stream)
        self._path = f"/v1/streams/{stream}/readings"
        self._link = link
        self.acknowledged = 0
        self.refused = 0

    def run(self):
        limit = BATCH_READINGS_MAX
        while batch := self._batch(limit):
            try:
                self._send(batch)
                limit = BATCH_READINGS_MAX
            except Refused as refusal:
                if refusal.status not in NEVER:
                    raise
                # Nothing of the batch was stored. What stands before the refused line goes alone first, so that order is kept.
                before = refusal.line - 1 if isinstance(refusal.line, int) else len(batch) // 2
                if 0 < before < len(batch):
                    limit = before
                else:
                    self._set_aside(batch[0][0], refusal)
                    limit = BATCH_READINGS_MAX

    def _batch(self, limit):
        batch, size = [], 0
        for name in waiting(self._kept)[:limit]:
            with open(os.path.join(self._kept, name), "rb") as reading:
                content = reading.read()
            size += len(content)
            if batch and size > BATCH_BYTES_MAX:
                break
            batch.append((name, content))
        return batch

    def _send(self, batch):
        body = b"\n".join(content for _, content in batch)
        status, answer = self._link.post(self._path, body, "application/x-ndjson")
        ids = [json.loads(content)["_id"] for _, content in batch]
        if status != 202 or answer.get("acknowledged") != len(ids) or answer.get("ids") != ids:
            raise Unreachable("the acknowledgement is not one of these readings")
        for name, _ in batch:
            os.remove(os.path.join(self._kept, name))
        self.acknowledged += len(batch)

    def _set_aside(self, name, refusal):
        os.makedirs(self._refused, mode=0o700, exist_ok=True)
        os.replace(os.path.join(self._kept, name), os.path.join(self._refused, name))
        self.refused += 1
        print(f"set aside {name}: {refusal}")


def deliver(directory, credential):
    """Every stream, through the first gate that takes it. Answers by stream (acknowledged, refused, failure or None)."""
    outcomes = {}
    for stream in streams(directory):
        acknowledged, refused, last = 0, 0, Unreachable("no gate is known")
        for gate in credential["gates"]:
            link = Link(gate, credential["roots"], ("gate",), credential["fleet"], credential)
            delivery = Delivery(directory, stream, link)
            try:
                delivery.run()
                last = None
            except Failure as error:
                last = error
            finally:
                link.close()
            acknowledged += delivery.acknowledged
            refused += delivery.refused
            if last is None:
                break
        outcomes[stream] = (acknowledged, refused, last)
    return outcomes


def streams(directory):
    spool = os.path.join(directory, "spool")
    names = sorted(os.listdir(spool)) if os.path.isdir(spool) else []
    return [name for name in names if waiting(os.path.join(spool, name))]


def kept(directory):
    return sum(len(waiting(os.path.join(directory, "spool", stream))) for stream in streams(directory))
