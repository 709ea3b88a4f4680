import { PortcullisError } from '@portcullis/contract';
import type { Keys } from '../keys/keys.ts';
import type { Beside } from '../storage/storage.ts';

/** Whether each issuer that signs could sign here: asked again and again by a machine that may have to lead next. */
export class HeldKeys {
  readonly #keys: Pick<Keys, 'open'>;
  /** To open one again may be slow, or ask a token. */
  readonly #opened = new Set<string>();

  constructor(keys: Pick<Keys, 'open'>) {
    this.#keys = keys;
  }

  /** Why not; undefined: all are here. */
  async against(store: Pick<Beside, 'read'>): Promise<PortcullisError | undefined> {
    const signing = await store.read((db) =>
      db.selectFrom('issuers').select('key').where('role', '!=', 'root').where('state', '=', 'issuing').execute(),
    );
    for (const { key } of signing) {
      if (this.#opened.has(key)) continue;
      try {
        await this.#keys.open(key);
        this.#opened.add(key);
      } catch (error) {
        if (error instanceof PortcullisError && error.code === 'key_unusable') return error;
        throw error;
      }
    }
    return undefined;
  }
}
