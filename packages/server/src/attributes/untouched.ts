import { PortcullisError } from '@portcullis/contract';

const triesMax = 3;

/** What is on condition that nobody touches meanwhile what it was computed from: where somebody does, it is computed again, so many times. */
export async function untouched<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof PortcullisError) || error.code !== 'precondition_failed') throw error;
      if (tries < triesMax) continue;
      const why = `computed ${triesMax} times, and each time one of its subjects was changed meanwhile; ${error.message}`;
      throw new PortcullisError('precondition_failed', why, { cause: error });
    }
  }
}
