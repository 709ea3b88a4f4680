import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endInOrder } from './end-in-order.ts';

/** Ends after so long, or when it is killed. */
class Ending {
  readonly seen: string[] = [];
  readonly #name: string;
  readonly #ms: number;

  constructor(seen: string[], name: string, ms: number) {
    [this.seen, this.#name, this.#ms] = [seen, name, ms];
  }

  stop(over: AbortSignal): Promise<void> {
    this.seen.push(`${this.#name} told`);
    return new Promise((resolve) => {
      const done = (how: string) => {
        this.seen.push(`${this.#name} ${how}`);
        resolve();
      };
      const timer = setTimeout(() => done('ended'), this.#ms);
      over.addEventListener('abort', () => {
        clearTimeout(timer);
        done('killed');
      });
    });
  }
}

/** How long the gate and the authority take → what is seen, in order. */
const rows: [number, number, string[]][] = [
  [100, 100, ['gate told', 'gate ended', 'authority told', 'authority ended']],
  [4_500, 100, ['gate told', 'authority told', 'authority ended', 'gate ended']],
  [100, 4_500, ['gate told', 'gate ended', 'authority told', 'authority ended']],
  [9_000, 9_000, ['gate told', 'authority told', 'gate killed', 'authority killed']],
];
for (const [gate, authority, expected] of rows) {
  test(`a gate that takes ${gate} ms and an authority that takes ${authority} ms: ${expected.join(', ')}`, async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const seen: string[] = [];
    let isOver = false;
    const ended = endInOrder(new Ending(seen, 'gate', gate), new Ending(seen, 'authority', authority)).then(() => {
      isOver = true;
    });
    for (let ms = 0; ms < 5_000; ms += 100) {
      context.mock.timers.tick(100);
      // What follows an end follows in microtasks.
      for (let turn = 0; turn < 10; turn++) await undefined;
    }
    assert.equal(isOver, true, 'all ended within five seconds');
    await ended;
    assert.deepEqual(seen, expected);
  });
}
