import type { Credential, Link } from '@portcullis/device';
import { linkTo } from '../../credentials/credentials.ts';

type Held = Record<'feed' | 'leases' | 'edges' | 'keys' | 'leaves' | 'uses', Link>;

/** The gate's connections to the authority. Leases have one of their own: never behind the feed (rule 1). */
export class Links {
  readonly #authorities: readonly string[];
  #held: Held;

  /** `authorities`: the addresses of those that may lead. */
  constructor(credential: Credential, authorities: readonly string[]) {
    this.#authorities = authorities;
    this.#held = this.#open(credential);
  }

  get feed(): Link {
    return this.#held.feed;
  }

  get leases(): Link {
    return this.#held.leases;
  }

  /** What rules find is told over one of its own too: a long report keeps nobody waiting. */
  get edges(): Link {
    return this.#held.edges;
  }

  /** Strangers can make a gate ask for keys: nothing else waits behind that. */
  get keys(): Link {
    return this.#held.keys;
  }

  /** Certificates of signers are asked for whenever a seal needs one. */
  get leaves(): Link {
    return this.#held.leaves;
  }

  /** Which renewed certificates are in use: it can wait, and nothing waits for it. */
  get uses(): Link {
    return this.#held.uses;
  }

  #open(credential: Credential): Held {
    const link = () => linkTo(credential, this.#authorities);
    return { feed: link(), leases: link(), edges: link(), keys: link(), leaves: link(), uses: link() };
  }

  /** With a renewed credential; what was made with the old one ends. */
  renew(credential: Credential): void {
    this.close();
    this.#held = this.#open(credential);
  }

  close(): void {
    for (const link of Object.values(this.#held)) link.close();
  }
}
