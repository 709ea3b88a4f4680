import { PortcullisError } from '@portcullis/contract';

/**
 * Members of requests that may go unheeded. A server refuses what it does not know by its name, since it could not heed it; one of an
 * earlier version gets a request without those of them that it named. Whatever else it does not know stays a refusal.
 */
export class Spare {
  readonly #names: ReadonlySet<string>;
  readonly #unknown = new Set<string>();

  constructor(...names: string[]) {
    this.#names = new Set(names);
  }

  /** Asks with all that the server is not known to lack; once more where it refuses some of that for its name. */
  async ask<Answer>(ask: (lacking: ReadonlySet<string>) => Promise<Answer>): Promise<Answer> {
    const lacking = new Set(this.#unknown);
    try {
      return await ask(lacking);
    } catch (error) {
      const named = unknownIn(error).filter((name) => this.#names.has(name) && !lacking.has(name));
      if (named.length === 0) throw error;
      for (const name of named) this.#unknown.add(name);
      return await this.ask(ask);
    }
  }

  /** The server may be another one from now on. */
  forget(): void {
    this.#unknown.clear();
  }
}

/** How the schema library words it: `Unrecognized key: "a"`, `Unrecognized keys: "a", "b"`. */
function unknownIn(error: unknown): string[] {
  // A command wraps it in words of its own.
  const why = error instanceof PortcullisError && error.code === 'usage' ? error.cause : error;
  if (!(why instanceof PortcullisError) || why.code !== 'request_malformed') return [];
  const [, list = ''] = /: Unrecognized keys?: (.*)$/s.exec(why.message) ?? [];
  return [...list.matchAll(/"([^"\\]+)"/g)].map(([, name = '']) => name);
}

/** An object without those of its members. */
export function without<Given extends object>(given: Given, names: ReadonlySet<string>): Partial<Given> {
  return Object.fromEntries(Object.entries(given).filter(([name]) => !names.has(name))) as Partial<Given>;
}
