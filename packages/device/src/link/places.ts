import { PortcullisError, Problem } from '@portcullis/contract';

/**
 * The addresses of servers of which one answers at a time. Who asks names the first; the question goes to where the last one was answered,
 * and to each other in turn where nobody answers or another leads.
 */
export class Places {
  readonly #origins: readonly string[];
  readonly #follows: boolean;
  #at = 0;

  /** `follows`: who is said to lead is asked next, if it is one of them. */
  constructor(urls: readonly string[] = [], follows = false) {
    this.#follows = follows;
    this.#origins = [...new Set(urls.map((url) => new URL(url).origin))];
  }

  /**
   * `bounded`: there is another one to ask, so that this one is not waited for as long as the last. What was begun is not asked again: nobody
   * knows how that ended.
   */
  async ask<Answer>(
    url: string,
    ask: (url: string, bounded: boolean) => Promise<Answer>,
    leaderIn: (answer: Answer) => Leader | undefined,
  ): Promise<Answer> {
    const why: string[] = [];
    let hasFollowed = !this.#follows;
    for (let left = this.#isOurs(url) ? this.#origins.length - 1 : 0; ; left--) {
      const tried = this.#now(url);
      try {
        const answer = await ask(tried, left > 0);
        const leader = leaderIn(answer);
        if (left === 0 || !leader) return answer;
        if (!hasFollowed && this.#goTo(leader.at, tried)) {
          hasFollowed = true;
          continue;
        }
      } catch (error) {
        if (!(error instanceof PortcullisError) || !away.has(error.code)) throw error;
        why.push(error.message);
        if (left === 0 || hasBegun(error)) {
          this.leave(tried);
          throw why.length === 1 ? error : withAll(why, error);
        }
      }
      this.leave(tried);
    }
  }

  #now(url: string): string {
    const [first = ''] = this.#origins;
    return this.#isOurs(url) ? `${this.#origins[this.#at]}${url.slice(first.length)}` : url;
  }

  /** Nobody answered there, or one that does not lead. Of several who find that out at once only one moves on. */
  leave(tried: string): void {
    if (this.#origins.length > 1 && new URL(tried).origin === this.#origins[this.#at])
      this.#at = (this.#at + 1) % this.#origins.length;
  }

  /** Never to an address that this side does not have. */
  #goTo(origin: string | undefined, tried: string): boolean {
    const index = origin === undefined ? -1 : this.#origins.indexOf(origin);
    if (index < 0 || origin === new URL(tried).origin) return false;
    this.#at = index;
    return true;
  }

  #isOurs(url: string): boolean {
    const [first] = this.#origins;
    return first !== undefined && (url === first || url.startsWith(`${first}/`));
  }
}

/** Nobody is there, or somebody else is. */
const away: ReadonlySet<string> = new Set(['server_unreachable', 'server_not_verified']);

const hasBegun = ({ detail }: PortcullisError) => (detail as { begun?: boolean } | undefined)?.begun === true;

function withAll(why: readonly string[], { code, cause, detail }: PortcullisError): PortcullisError {
  return new PortcullisError(code, why.join('; '), { cause, detail });
}

const notLeading: readonly string[] = ['not_leader', 'authority_stopping'];

/** Another one leads: at which address, if that was said. */
export interface Leader {
  at: string | undefined;
}

interface Answered {
  status: number;
  headers: { location?: string | undefined };
  body: Buffer;
}

/** A refusal that says that another one is to be asked. */
export function leaderIn({ status, headers: { location = '' }, body }: Answered): Leader | undefined {
  if (status !== 503 && status !== 307) return undefined;
  try {
    if (!notLeading.includes(Problem.parse(JSON.parse(body.toString('utf8'))).reason)) return undefined;
  } catch {
    return undefined;
  }
  return { at: status === 307 && URL.canParse(location) ? new URL(location).origin : undefined };
}
