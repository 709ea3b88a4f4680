/**
 * What a sensor keeps when it has no power: its keys, and how far their numbers are used. They are one thing, in one place: a sensor that
 * lost its numbers has lost its keys too, and gets new ones.
 */
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** What `portcullis token create SENSOR --credential oscore --json` tells, in hex. */
export interface SensorKeys {
  keyId: string;
  serverId: string;
  masterSecret: string;
  masterSalt: string;
}

interface Content extends SensorKeys {
  /** No number from here on was ever used. */
  reserved: number;
  /** That of the context that the gate made last; null: none yet. */
  idContext: string | null;
}

const forOwnerAlone = 0o600;

export class Flash {
  readonly #file: string;
  #content: Content;

  private constructor(file: string, content: Content) {
    [this.#file, this.#content] = [file, content];
  }

  /** Once in the life of the keys. A file that is there is not written over: its numbers would begin anew. */
  static make(file: string, { keyId, serverId, masterSecret, masterSalt }: SensorKeys): Flash {
    const content = { keyId, serverId, masterSecret, masterSalt, reserved: 0, idContext: null };
    const next = written(file, content);
    try {
      linkSync(next, file);
    } finally {
      unlinkSync(next);
    }
    return new Flash(file, content);
  }

  static open(file: string): Flash {
    return new Flash(file, JSON.parse(readFileSync(file, 'utf8')) as Content);
  }

  get content(): Readonly<Content> {
    return this.#content;
  }

  /** It is the old content or the new one whenever the power goes, and the new one when this returns. */
  change(changed: Partial<Pick<Content, 'reserved' | 'idContext'>>): void {
    const content = { ...this.#content, ...changed };
    renameSync(written(this.#file, content), this.#file);
    synced(dirname(this.#file));
    this.#content = content;
  }
}

function written(file: string, content: Content): string {
  const next = `${file}.next`;
  const descriptor = openSync(next, 'w', forOwnerAlone);
  try {
    writeSync(descriptor, JSON.stringify(content));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  return next;
}

function synced(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
