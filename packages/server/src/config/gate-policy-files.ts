import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { AttributeName, PortcullisError } from '@portcullis/contract';
import type { CarryInFile } from './carry-config.ts';
import { type ExpectedValues, readExpectedValues } from './expected-values.ts';
import { markOf } from './file-mark.ts';
import { type GateConfig, loadGateConfig, type StreamInFile } from './gate-config.ts';
import { parseJson } from './parse-json.ts';
import { readRegular, textOf } from './regular-file.ts';

/** A stream with what its files hold. */
export interface LoadedStream extends Omit<StreamInFile, 'schema' | 'expectedFrom'> {
  /** A JSON Schema as its file has it. */
  schema?: Record<string, unknown> | boolean;
  expected?: ExpectedValues;
}

export interface LoadedPolicy {
  streams: Record<string, LoadedStream>;
  carry?: CarryInFile | undefined;
  ask?: CarryInFile | undefined;
  /** Equal for what decides equally: SHA-256 over the streams, who may carry, and the bytes of their files. */
  digest: string;
  /** Keys of `gate.yaml` that are not as they were at the start: they count after a restart. */
  needRestart: readonly string[];
  /** What is not wrong, and not as it should be. */
  warnings: readonly string[];
}

const schemaBytesMax = 1024 * 1024;
/** A gateway is no proxy unless somebody said so of it: whoever asks learns of every certificate whether it is admitted. */
const whoAsks: CarryInFile = { kinds: ['gateway'], expect: { [AttributeName.parse('proxy')]: true } };
const exposedWords = 'group or others may read what is expected; it should be for its owner alone (chmod 600)';

/** `gate.yaml` and the files that its streams name: the part of the configuration that may change while a gate runs. */
export class GatePolicyFiles {
  readonly #directory: string;
  readonly #started: GateConfig;
  #files: string[];

  constructor(directory: string) {
    this.#directory = directory;
    this.#started = loadGateConfig(directory);
    this.#files = this.#filesOf(this.#started);
  }

  /** As of the start: what is beside the streams stays so until a restart. */
  get config(): GateConfig {
    return this.#started;
  }

  /** `gate.yaml` and all that it names, as of the last look at it. */
  get files(): readonly string[] {
    return this.#files;
  }

  /** Changes when one of the files does; it costs a look at each, and reads none. */
  mark(): string {
    return this.#files.map(markOf).join(' ');
  }

  /** @throws {PortcullisError} `config_invalid`, with the file, and its line where there is one */
  async load(): Promise<LoadedPolicy> {
    const config = loadGateConfig(this.#directory);
    this.#files = this.#filesOf(config);
    const hash = createHash('sha256').update(JSON.stringify(config.streams));
    const { carry } = config;
    if (carry !== undefined) hash.update(JSON.stringify(carry));
    const streams: Record<string, LoadedStream> = {};
    const exposed = new Set<string>();
    for (const [name, { schema, expectedFrom, ...stream }] of Object.entries(config.streams)) {
      const loaded: LoadedStream = stream;
      if (schema !== undefined) {
        const bytes = readRegular(this.#path(schema), schemaBytesMax);
        hash.update(bytes);
        loaded.schema = parseSchema(this.#path(schema), bytes);
      }
      if (expectedFrom !== undefined) {
        const { values, digest, readableByOthers } = await readExpectedValues(this.#path(expectedFrom));
        hash.update(digest);
        if (readableByOthers) exposed.add(this.#path(expectedFrom));
        loaded.expected = values;
      }
      streams[name] = loaded;
    }
    const warnings = [...exposed].map((file) => `${file}: ${exposedWords}`);
    const ask = this.#started.listen.decidePort === undefined ? undefined : whoAsks;
    return { streams, carry, ask, digest: hash.digest('hex'), needRestart: this.#needRestart(config), warnings };
  }

  #needRestart(config: GateConfig): string[] {
    const keys = Object.keys(config) as (keyof GateConfig)[];
    const differs = (key: keyof GateConfig) => JSON.stringify(config[key]) !== JSON.stringify(this.#started[key]);
    return keys.filter((key) => key !== 'streams' && key !== 'carry' && differs(key));
  }

  #filesOf({ streams }: GateConfig): string[] {
    const named = Object.values(streams).flatMap(({ schema, expectedFrom }) => [schema, expectedFrom]);
    const paths = named.filter((name) => name !== undefined).map((name) => this.#path(name));
    return [...new Set([join(this.#directory, 'gate.yaml'), ...paths])];
  }

  /** A name is relative to the directory of `gate.yaml`. */
  #path(name: string): string {
    return resolve(this.#directory, name);
  }
}

function parseSchema(file: string, bytes: Buffer): Record<string, unknown> | boolean {
  const text = textOf(file, bytes);
  let parsed: unknown;
  try {
    parsed = parseJson(text);
  } catch (cause) {
    throw new PortcullisError('config_invalid', `${file}: ${(cause as Error).message}`, { cause });
  }
  const isSchema = typeof parsed === 'boolean' || (typeof parsed === 'object' && parsed && !Array.isArray(parsed));
  if (isSchema) return parsed as Record<string, unknown> | boolean;
  throw new PortcullisError('config_invalid', `${file}: a JSON Schema must be an object or a boolean`);
}
