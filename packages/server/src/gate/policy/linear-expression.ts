import type { Options } from 'ajv';
import { RE2JS } from 're2js';

/** A reading has more text than a schema's patterns may be matched with. Whether it matches is unknown, so nothing is said. */
export class TooMuchText extends Error {}

/** Instructions of a compiled pattern. */
const sizeMax = 1_000;
/** A pattern of this size has so few states that all of them are soon known: a character costs the same whatever the size. */
const smallSize = 12;
/** Characters, each counted as often as the pattern has instructions: about 40 ms of what a device could think out. */
const workMax = 250_000;

type ExpressionFactory = NonNullable<NonNullable<Options['code']>['regExp']>;

/**
 * A schema's patterns: matched without backtracking, in time linear in the text (P13). The factor is the pattern's size, so all
 * of a schema's patterns share one amount of work for each reading.
 */
export class LinearExpressions {
  #workLeft = Number.POSITIVE_INFINITY;

  /** To be called before each reading. */
  refill(): void {
    this.#workLeft = workMax;
  }

  get factory(): ExpressionFactory {
    const compile = (pattern: string) => this.#compile(pattern);
    return Object.assign(compile, { code: 'linear' }) as unknown as ExpressionFactory;
  }

  #compile(pattern: string): { test(text: string): boolean; toString(): string } {
    const compiled = RE2JS.compile(pattern);
    const size = compiled.programSize();
    if (size > sizeMax) {
      const shown = pattern.length > 64 ? `${pattern.slice(0, 64)}…` : pattern;
      throw new Error(`pattern "${shown}" comes to ${size} instructions; at most ${sizeMax} are allowed`);
    }
    const weight = size <= smallSize ? 1 : size;
    const test = (text: string) => {
      this.#workLeft -= (text.length + 1) * weight;
      if (this.#workLeft < 0)
        throw new TooMuchText('it has more text than the patterns of its schema are matched with');
      return compiled.test(text);
    };
    // ajv tells expressions apart by this text.
    return { test, toString: () => pattern };
  }
}
