/** A house whose store is in PostgreSQL, with two authorities of which one leads. The second has a copy of the first one's directory, and ports of its own. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freeBasePort, Running } from '../../../tools/commands.ts';
import { readHeadFile } from '../src/journal/head-file.ts';
import { copyWhileUsed } from './copied.ts';
import { eventually, House } from './house.ts';

const at = (port: number) => `https://localhost:${port}`;

export class TwoAuthorities {
  readonly house: House;
  leader: Running;
  standby: Running;
  /** The first of the ports of who stands by at first. */
  readonly base: number;
  /** The directories of both: first that of who leads. */
  #directories: [string, string];

  /** `fill` is called on the stopped store; `more`: what the configuration of who stands by has beside. */
  static async open(
    url: string,
    fill: (fleet: string) => Promise<void> = async () => undefined,
    more = '',
  ): Promise<TwoAuthorities> {
    const base = await freeBasePort();
    const house = await House.open(
      async (made) => {
        const both = (offset: number) => JSON.stringify([made.basePort, base].map((port) => at(port + offset)));
        const lists = { authorityUrl: both(0), enrolmentUrl: both(1) };
        for (const [key, list] of Object.entries(lists))
          made.configure('fleet.yaml', (text) => text.replace(new RegExp(`^${key}: .*$`, 'm'), `${key}: ${list}`));
        made.configure('gate.yaml', (text) => text.replace(/^authority: .*$/m, `authority: ${both(0)}`));
        await fill(made.fleet);
      },
      ['--store', url],
    );
    try {
      return await TwoAuthorities.#beside(house, base, more);
    } catch (error) {
      await house.close();
      throw error;
    }
  }

  static async #beside(house: House, base: number, more: string): Promise<TwoAuthorities> {
    const copy = join(house.home, 'copy');
    copyWhileUsed(house.fleet, copy);
    const file = join(copy, 'fleet.yaml');
    const ports = `apiPort: ${base}\n  enrolmentPort: ${base + 1}`;
    writeFileSync(file, readFileSync(file, 'utf8').replace(/apiPort: .*\n {2}enrolmentPort: .*/, ports) + more);
    const two = new TwoAuthorities(house, base, await standbyIn(copy), copy);
    // The operator that init made knew of one authority.
    await house.portcullis('status');
    return two;
  }

  private constructor(house: House, base: number, standby: Running, copy: string) {
    this.base = base;
    this.house = house;
    this.leader = house.authority as Running;
    this.standby = standby;
    this.#directories = [house.fleet, copy];
  }

  /** The directory of who stands by. */
  get copy(): string {
    return this.#directories[1];
  }

  /** Who stands by has this revision on its disk as seen. */
  async standbySees(revision: number): Promise<void> {
    const file = join(this.copy, 'authority/journal.head');
    await eventually(() => (readHeadFile(file)?.revision ?? 0) >= revision, 'the standby has seen it');
  }

  /** Who led is gone, or will be: it stands by from now on. */
  async exchange(): Promise<void> {
    this.leader = this.standby;
    this.#directories.reverse();
    this.standby = await standbyIn(this.#directories[1]);
  }

  async close(): Promise<void> {
    await Promise.all([this.leader.stop(), this.standby.stop()]);
    await this.house.close();
  }
}

async function standbyIn(directory: string): Promise<Running> {
  const standby = new Running('portcullis', 'start', 'authority', directory, '--standby');
  await standby.line(/stands by/);
  return standby;
}
