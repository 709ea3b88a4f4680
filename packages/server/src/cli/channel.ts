import { type FailureCode, PortcullisError } from '@portcullis/contract';
import type { Ready } from './start.ts';

/** What a child of `up` tells: that it listens, that it lives, or why it could not start. */
export type FromChild = { listens: Ready } | { alive: true } | { failed: FailureCode };
/** What it is asked. */
export const question = { alive: 'are you?' } as const;

/** A child's end of the channel to its parent; a process that has none tells nobody. */
export class ParentChannel {
  constructor() {
    // An event loop that turns answers; that is what is asked.
    process.on('message', this.#answer);
  }

  readonly #answer = () => this.tell({ alive: true });

  tell(message: FromChild): void {
    // A parent that is gone is noticed by the end of the channel.
    process.send?.(message, () => undefined);
  }

  /** Resolves once it is on its way: the process ends right after. */
  async tellFailure(error: unknown): Promise<void> {
    const failed = error instanceof PortcullisError ? error.code : 'internal';
    await new Promise<void>((resolve) => {
      if (process.connected) process.send?.({ failed } satisfies FromChild, () => resolve());
      else resolve();
    });
  }

  /** An open channel keeps a process alive, also one that has nothing left to do. */
  close(): void {
    process.off('message', this.#answer);
    if (process.connected) process.disconnect();
  }
}
