#!/usr/bin/python3
"""A device of a Portcullis fleet in Python: Debian's python3 and python3-cryptography, nothing else."""

import argparse
import fcntl
import os
import re
import sys

import credential
import spool
from fleet import Failure

STREAM = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def main(words):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="./device", help="where credential and spool are (./device)")
    commands = parser.add_subparsers(dest="command", required=True)
    enrol = commands.add_parser("enrol", help="make a key, and get a certificate for it with the token")
    enrol.add_argument("token", help="@FILE, or - for standard input: a token is a secret, and arguments are seen by all")
    send = commands.add_parser("send", help="keep each line of standard input, a JSON object, until a gate has acknowledged it")
    send.add_argument("stream")
    renew = commands.add_parser("renew", help="renew the certificate if its time has come")
    renew.add_argument("--now", action="store_true", help="even if it has not")
    arguments = parser.parse_args(words)
    try:
        os.makedirs(arguments.device, mode=0o700, exist_ok=True)
        with open(os.path.join(arguments.device, "lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return run(arguments)
    except (Failure, OSError) as error:
        print(f"device.py: {error}", file=sys.stderr)
        return 1


def run(arguments):
    if arguments.command == "enrol":
        made = credential.enrol(arguments.device, token_from(arguments.token))
        print(f"enrolled as {made['subject']} until {made['notAfter']}")
        return 0
    if arguments.command == "renew":
        held = credential.read(arguments.device)
        if arguments.now or credential.is_due(held):
            held = credential.renew(arguments.device, held)
        print(f"{held['subject']} until {held['notAfter']}")
        return 0
    return send_lines(arguments.device, arguments.stream)


def send_lines(directory, stream):
    if not STREAM.fullmatch(stream):
        raise Failure(f'"{stream}" is not the name of a stream; it must match {STREAM.pattern}')
    held = credential.read(directory)
    status = 0
    for number, line in enumerate(sys.stdin.buffer, 1):
        if line.strip():
            try:
                spool.put(directory, stream, line)
            except Failure as error:
                print(f"line {number}: {error}", file=sys.stderr)
                status = 1
    if credential.is_due(held):
        try:
            held = credential.renew(directory, held)
        except Failure as error:
            print(f"device.py: not renewed: {error}", file=sys.stderr)
    outcomes = spool.deliver(directory, held)
    acknowledged, refused = (sum(outcome[index] for outcome in outcomes.values()) for index in (0, 1))
    print(f"acknowledged {acknowledged}, refused {refused}, kept {spool.kept(directory)}")
    for name, (_, _, failure) in outcomes.items():
        if failure:
            print(f"device.py: {name}: {failure}", file=sys.stderr)
    # What waits in other streams was asked for before, and was told of then.
    _, refused, failure = outcomes.get(stream, (0, 0, None))
    return 1 if failure or refused else status


def token_from(word):
    if word == "-":
        return sys.stdin.read()
    if not word.startswith("@"):
        raise Failure("the token must be @FILE or -, not the token itself: arguments are seen by every user of this machine")
    with open(word[1:], encoding="utf-8") as text:
        return text.read()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
