import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Journey, PortcullisError } from '@portcullis/contract';
import { markOf } from './file-mark.ts';
import { type Declared, journeyFile, journeyOf } from './journey-file.ts';
import { readYaml } from './read-yaml.ts';

const filesMax = 256;

/** One file, checked whole. @throws {PortcullisError} `config_invalid`, `fleet_missing` where there is none */
export function readJourney(file: string, declared: Declared): Journey {
  return journeyOf(readYaml(file, journeyFile(declared)));
}

/** `journeys/*.yaml` beside `fleet.yaml`: they may change while the authority runs. */
export class JourneyFiles {
  readonly #folder: string;
  readonly #declared: Declared;

  constructor(directory: string, declared: Declared) {
    this.#folder = join(directory, 'journeys');
    this.#declared = declared;
  }

  /** By their way from the directory of `fleet.yaml`. */
  get names(): string[] {
    return this.#paths().map((path) => join('journeys', path.slice(this.#folder.length + 1)));
  }

  /** Changes when one of the files does; it costs a look at each, and reads none. */
  mark(): string {
    return this.#paths()
      .map((path) => `${path}:${markOf(path)}`)
      .join(' ');
  }

  /** @throws {PortcullisError} `config_invalid`, with the file, and its line where there is one */
  load(): Journey[] {
    const paths = this.#paths();
    if (paths.length > filesMax) throw invalid(this.#folder, `it holds more than ${filesMax} journeys`);
    const found = new Map<string, string>();
    return paths.map((path) => {
      const journey = readJourney(path, this.#declared);
      const other = found.get(journey.journey);
      if (other !== undefined) throw invalid(path, `journey "${journey.journey}" is in ${other} already`);
      found.set(journey.journey, path);
      return journey;
    });
  }

  #paths(): string[] {
    if (!existsSync(this.#folder)) return [];
    const names = readdirSync(this.#folder).filter((name) => name.endsWith('.yaml') && !name.startsWith('.'));
    return names.sort().map((name) => join(this.#folder, name));
  }
}

function invalid(file: string, why: string): PortcullisError {
  return new PortcullisError('config_invalid', `${file}: ${why}`);
}
