/** The desk of the torture, seen from outside: devices enrol and renew through it, whatever becomes of it. */
import { RenewalNonce } from '@portcullis/contract';
import { exchange, Link } from '@portcullis/device';
import { standStill } from '../../../../test/standstill.ts';
import { Running } from '../../../../tools/commands.ts';

const listenMsMax = 120_000;

export class DeskChild {
  readonly name = 'desk';
  readonly #fleet: string;
  readonly #url: string;
  #running: Running | undefined;
  /** It was told to end. */
  #ending = false;
  /** How often it ended without being told to. */
  died = 0;

  constructor(fleet: string, url: string) {
    this.#fleet = fleet;
    this.#url = url;
  }

  async start(): Promise<void> {
    const running = new Running('portcullis', 'start', 'desk', this.#fleet);
    this.#ending = false;
    this.#running = running;
    await running.line(/^desk listening/, listenMsMax);
    running.process.once('exit', () => {
      if (this.#running === running && !this.#ending) this.died++;
    });
  }

  async kill(): Promise<void> {
    this.#ending = true;
    await this.#running?.kill();
  }

  pause(): void {
    standStill(this.#running?.process.pid);
  }

  resume(): void {
    this.#running?.process.kill('SIGCONT');
  }

  /** Whether it brings a word of the authority. */
  async relays(roots: string): Promise<boolean> {
    const link = new Link({ roots, role: 'enroller' });
    try {
      return (await exchange(link, `${this.#url}/v1/renewals/nonce`, {}, RenewalNonce)).nonce !== '';
    } catch {
      return false;
    } finally {
      link.close();
    }
  }
}
