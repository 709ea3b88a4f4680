/**
 * What all authorities of a fleet must have alike, of which one leads at a time; what is not here is each machine's own: where it listens and is
 * reached, its store and its keys, files by their names, its log.
 * - It is taken as it was said and not as it was read: a version with another default finds the same, and so do comments, order and spaces.
 * - Only hashes leave this file.
 */
import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { JourneyFiles } from './journey-files.ts';
import { saidIn } from './read-yaml.ts';
import { RuleFiles } from './rule-files.ts';

/** By what it is of, such as `fleet.yaml leaseMs` or `rules/cold.yaml`, a SHA-256 in hex. */
export type InCommon = Readonly<Record<string, string>>;

const fleetFileName = 'fleet.yaml';

type Said = Readonly<Record<string, unknown>>;

/** Keys of `fleet.yaml` that are a machine's own. */
const own: ReadonlySet<string> = new Set([
  ...['hosts', 'listen', 'authorityUrl', 'enrolmentUrl', 'store', 'keys', 'metrics', 'journal', 'log'],
]);

/** Of what names files: which of the keys do, so that these are left out. */
const shapers: Readonly<Record<string, (said: Said) => Said>> = {
  signals: (sources) => ofEach(sources, (source) => without(source, ['hmac', 'bearer'])),
  alerts: ({ targets, ...alerts }) => ({ ...alerts, ...(isSaid(targets) && { targets: ofEach(targets, ofTarget) }) }),
};

function ofTarget({ email, command, ...target }: Said): Said {
  return {
    ...without(target, ['secrets', 'ca']),
    ...(isSaid(email) && { email: without(email, ['password']) }),
    ...(Array.isArray(command) && { command: command.slice(1) }),
  };
}

/** `usual`: what each key is where it is left out. To say that is to say nothing. */
export function fleetInCommon(said: unknown, parsed: Said, usual: Said): InCommon {
  const keys = Object.entries(isSaid(said) ? said : {}).filter(
    ([key]) => !own.has(key) && !isDeepStrictEqual(parsed[key], usual[key]),
  );
  return Object.fromEntries(
    keys.map(([key, value]) => {
      const shaper = shapers[key];
      return [`${fleetFileName} ${key}`, hashOf(shaper && isSaid(value) ? shaper(value) : value)];
    }),
  );
}

/** With the files of rules and journeys, as they are when it is asked. */
export class FilesInCommon {
  readonly #directory: string;
  readonly #fleet: InCommon;
  readonly #rules: RuleFiles;
  readonly #journeys: JourneyFiles;
  #mark: string | undefined;
  #found: InCommon = {};

  constructor(directory: string, { inCommon }: { inCommon: InCommon }) {
    this.#directory = directory;
    this.#fleet = inCommon;
    this.#rules = new RuleFiles(directory);
    this.#journeys = new JourneyFiles(directory, {});
  }

  /** It costs a look at each file, and reads them where one changed. @throws {PortcullisError} `config_invalid` */
  read(): InCommon {
    const mark = `${this.#rules.mark()} ${this.#journeys.mark()}`;
    if (mark === this.#mark) return this.#found;
    const names = [...this.#rules.files.map((file) => join('rules', basename(file))), ...this.#journeys.names];
    const files = names.map((name) => [name, hashOf(saidIn(join(this.#directory, name)))]);
    this.#found = { ...this.#fleet, ...Object.fromEntries(files) };
    this.#mark = mark;
    return this.#found;
  }
}

const isSaid = (value: unknown): value is Said => typeof value === 'object' && value !== null && !Array.isArray(value);

const ofEach = (said: Said, change: (one: Said) => Said): Said =>
  Object.fromEntries(Object.entries(said).map(([name, one]) => [name, isSaid(one) ? change(one) : one]));

const without = (said: Said, names: readonly string[]): Said =>
  Object.fromEntries(Object.entries(said).filter(([name]) => !names.includes(name)));

/** Of its JSON with sorted keys. */
const hashOf = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(value, sorted) ?? '')
    .digest('hex');

const sorted = (_key: string, value: unknown): unknown =>
  isSaid(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)))
    : value;
