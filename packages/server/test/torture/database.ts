/**
 * The PostgreSQL of a run with two authorities: a primary, and a copy that each commit waits for, which takes its place when it is lost.
 * Whoever connects to `port` at that moment gets to the one that takes changes.
 */
import { eventually } from '../house.ts';
import { Cluster } from '../postgres-cluster.ts';

const copyName = 'copy';
/** On a machine that does much else. */
const followsMsMax = 60_000;

type Ending = Parameters<typeof Cluster.primary>[0];

export class ReplicatedDatabase {
  readonly #ending: Ending;
  #primary: Cluster;
  #copy: Cluster;

  static async open(ending: Ending): Promise<ReplicatedDatabase> {
    const primary = await Cluster.primary(ending);
    const database = new ReplicatedDatabase(ending, primary, await primary.copy(ending, copyName));
    await database.#waitForCopy();
    return database;
  }

  private constructor(ending: Ending, primary: Cluster, copy: Cluster) {
    this.#ending = ending;
    this.#primary = primary;
    this.#copy = copy;
  }

  get port(): number {
    return this.#primary.port;
  }

  kill(): Promise<void> {
    return this.#primary.kill();
  }

  start(): Promise<void> {
    return this.#primary.start();
  }

  killAll(): void {
    for (const cluster of [this.#primary, this.#copy]) void cluster.kill();
  }

  /** The primary is lost with its machine; what it had committed its copy has. */
  async replace(): Promise<void> {
    await this.#follows();
    await this.#promote();
  }

  /** A copy of the one that took its place, which each commit waits for again. */
  async addCopy(): Promise<void> {
    this.#copy = await this.#primary.copy(this.#ending, copyName);
    await this.#waitForCopy();
  }

  /** The primary is lost, and with it what was committed while `act` ran: no commit waited for the copy, which followed nobody. */
  async loseWhat(act: () => Promise<void>): Promise<void> {
    await this.#follows();
    await this.#primary.set('synchronous_standby_names', '');
    await this.#copy.set('primary_conninfo', '');
    await eventually(
      async () => (await this.#primary.ask('SELECT 1 FROM pg_stat_replication')).length === 0,
      'the copy follows nobody',
      followsMsMax,
    );
    await act();
    await this.#promote();
  }

  async #promote(): Promise<void> {
    await this.#primary.kill();
    await this.#copy.promote();
    // It has the settings of the one that it was copied from, and no copy yet.
    await this.#copy.set('synchronous_standby_names', '');
    this.#primary = this.#copy;
  }

  async #waitForCopy(): Promise<void> {
    await this.#primary.set('synchronous_standby_names', `FIRST 1 (${copyName})`);
    await this.#follows();
  }

  #follows(): Promise<void> {
    const isSynchronous = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'";
    const asked = async () => (await this.#primary.ask(isSynchronous)).length === 1;
    return eventually(asked, 'commits wait for the copy', followsMsMax);
  }
}
