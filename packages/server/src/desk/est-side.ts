import type { Link } from '@portcullis/device';
import type { ServerCertificateHeld } from '../credentials/credentials.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import { EstAsking } from './est-asking.ts';
import { EstDoor } from './est-door.ts';
import { EstRefusals } from './est-refusals.ts';
import { Front } from './front.ts';
import type { DeskSettings } from './promises.ts';
import type { Relaying } from './relaying.ts';

interface Parts {
  settings: DeskSettings;
  link(): Link;
  relaying: Relaying;
  held: ServerCertificateHeld;
  system: System;
  log: Log;
}

/** Where EST is spoken, if it is. */
export class EstSide {
  readonly #listen: DeskSettings['listen'];
  readonly #front: Front;

  constructor({ settings, link, relaying, held, system, log }: Parts) {
    const { authority, limits, listen } = settings;
    this.#listen = listen;
    const { monotonic } = system;
    const asking = new EstAsking({ authority, link, relayMs: limits.relayMs, monotonic });
    const door = new EstDoor({
      ...{ relaying, system, refusals: new EstRefusals({ log, system }) },
      ask: (from, asked) => asking.ask(from, asked),
      bodies: () => asking.bodies(),
    });
    this.#front = new Front(held, { limits, log, system, est: true, answer: (request) => door.answer(request) });
  }

  /** Resolves to its port. @throws {PortcullisError} `port_taken`, `config_invalid` */
  async listen(): Promise<number | undefined> {
    const { host, estPort: port } = this.#listen;
    return port === undefined ? undefined : this.#front.listen({ host, port });
  }

  swap(held: ServerCertificateHeld): void {
    this.#front.swap(held);
  }

  close(): Promise<void> {
    return this.#front.close();
  }
}
