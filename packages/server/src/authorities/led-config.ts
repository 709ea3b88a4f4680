/**
 * Which configuration the fleet is led by: its hashes are in the store, written by who leads. One that stands by with another does not lead,
 * until it is the same or was accepted; who is started to lead, without standing by, leads by its own.
 * Refuses to know: what is in a configuration, and which of it counts.
 */
import { createHash } from 'node:crypto';
import { counted, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import type { Reader, Store, Writer } from '../storage/storage.ts';
import { goOn, type Log } from '../telemetry/telemetry.ts';

/** By what it is of, a SHA-256 in hex. */
export type ConfigHashes = Readonly<Record<string, string>>;
const Stored = z.record(z.string().max(400), z.string().regex(/^[0-9a-f]{64}$/));

/** `accepted`: what may follow what is led by now; it is gone once something else is led by. */
const names = { led: 'ledConfig', accepted: 'acceptedConfig' } as const;
const namedMax = 10;

/** Of all of it. */
const configHash = (hashes: ConfigHashes): string =>
  createHash('sha256')
    .update(JSON.stringify(Object.entries(hashes).toSorted(([one], [other]) => (one < other ? -1 : 1))))
    .digest('hex');

async function storedIn(db: Reader, name: string): Promise<string | undefined> {
  const row = await db.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst();
  return row?.value;
}

/** Undefined: nobody has led by one that is known. What can not be read is of no machine. */
async function ledIn(db: Reader): Promise<ConfigHashes | undefined> {
  const value = await storedIn(db, names.led);
  if (value === undefined) return undefined;
  try {
    return Stored.parse(JSON.parse(value));
  } catch {
    return {};
  }
}

/** What differs, in words that name no value. */
async function configDifferences(db: Reader, own: ConfigHashes): Promise<string[]> {
  const led = await ledIn(db);
  return led === undefined ? [] : differences(own, led);
}

function differences(own: ConfigHashes, led: ConfigHashes): string[] {
  return [...new Set([...Object.keys(own), ...Object.keys(led)])].toSorted().flatMap((what) => {
    if (own[what] === led[what]) return [];
    const how = led[what] === undefined ? 'is here alone' : own[what] === undefined ? 'is not here' : 'differs';
    const [file, key] = what.split(' ');
    return [`${key === undefined ? file : `"${key}" in ${file}`} ${how}`];
  });
}

/** Undefined: this machine may lead by its configuration. */
export async function againstConfig(db: Reader, own: ConfigHashes): Promise<PortcullisError | undefined> {
  const led = await ledIn(db);
  if (led === undefined || configHash(own) === configHash(led)) return undefined;
  if ((await storedIn(db, names.accepted)) === configHash(own)) return undefined;
  const found = differences(own, led);
  const more = found.length - namedMax;
  const what = [...found.slice(0, namedMax), ...(more > 0 ? [`and ${counted(more, 'other')}`] : [])].join(', ');
  const short = (hashes: ConfigHashes) => configHash(hashes).slice(0, 12);
  return new PortcullisError(
    'config_differs',
    `this machine's configuration (${short(own)}) is not the one that the fleet is led by (${short(led)}): ${what}; make it the same, or, if it is the one that shall hold, run "portcullis authority accept-config" on this directory`,
  );
}

/** Whoever has it may lead next, and until then whoever has what is led by now. Tells what differs; nothing: there is nothing to accept. */
export async function acceptConfig(db: Writer, own: ConfigHashes): Promise<string[]> {
  const found = await configDifferences(db, own);
  if (found.length > 0) await put(db, names.accepted, configHash(own));
  return found;
}

interface Leading {
  store: Pick<Store, 'change'>;
  /** What this process leads by. @throws {PortcullisError} `config_invalid` */
  read(): ConfigHashes;
  /** It stood by: it leads by what the fleet was led by, or what was accepted, and by nothing else. */
  hasStoodBy: boolean;
  log: Log;
}

const pauses = { moreMs: 1_000, restMs: 1_000 };

/** Of who leads: what it leads by is in the store, also after files changed while it runs. A crash before that leaves what was before. */
export class LedConfig implements AsyncDisposable {
  readonly #parts: Leading;
  readonly #stop: () => Promise<void>;
  #written = '';
  #isDue = false;

  /** @throws {PortcullisError} `config_differs` */
  static async open(parts: Leading): Promise<LedConfig> {
    const own = parts.read();
    await parts.store.change(async (db) => {
      const against = parts.hasStoodBy ? await againstConfig(db, own) : undefined;
      if (against) throw against;
      await lead(db, own);
    });
    return new LedConfig(parts, configHash(own));
  }

  private constructor(parts: Leading, written: string) {
    this.#parts = parts;
    this.#written = written;
    this.#stop = goOn(() => this.#look(), pauses.restMs, pauses);
  }

  /** Files that count were read anew. */
  changed(): void {
    this.#isDue = true;
  }

  async #look(): Promise<boolean> {
    if (!this.#isDue) return false;
    const { read, store, log } = this.#parts;
    try {
      this.#isDue = false;
      const own = read();
      const hash = configHash(own);
      if (hash === this.#written) return false;
      await store.change((db) => lead(db, own));
      this.#written = hash;
    } catch (err) {
      this.#isDue = true;
      log.warn({ err }, "couldn't store which configuration the fleet is led by; trying again");
    }
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}

async function lead(db: Writer, own: ConfigHashes): Promise<void> {
  const led = await ledIn(db);
  if (led !== undefined && configHash(led) === configHash(own)) return;
  await db.deleteFrom('settings').where('name', '=', names.accepted).execute();
  await put(db, names.led, JSON.stringify(own));
}

async function put(db: Writer, name: string, value: string): Promise<void> {
  await db
    .insertInto('settings')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute();
}
