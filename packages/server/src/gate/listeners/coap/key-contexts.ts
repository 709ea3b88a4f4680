import type { SecurityContext } from '../../../oscore/oscore.ts';
import type { Connections } from '../../connections/connections.ts';
import { KeyContext } from './key-context.ts';

interface Parts {
  connections: Connections;
  contextsMax: number;
  monotonic(): number;
}

/** A sensor that was not heard for so long makes a new context: a week. */
const idleMs = 7 * 86_400_000;
const lookMs = 60_000;

/** The contexts of all sensors that this gate serves, one of each key, the one that was heard longest ago first. */
export class KeyContexts {
  readonly #parts: Parts;
  readonly #byKeyId = new Map<string, KeyContext>();
  readonly #looking: NodeJS.Timeout;
  #onEmpty: () => void = () => undefined;
  #displaced = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#looking = setInterval(() => this.#forgetIdle(), lookMs).unref();
  }

  get size(): number {
    return this.#byKeyId.size;
  }

  /** Forgotten since the start for want of room. */
  get displaced(): number {
    return this.#displaced;
  }

  of(keyId: Buffer): KeyContext | undefined {
    return this.#byKeyId.get(keyId.toString('hex'));
  }

  /** Takes the place of an earlier one of its key (RFC 8613 appendix B.2, step 4). */
  establish(security: SecurityContext, fingerprint: Buffer, remoteAddress: string): KeyContext {
    const { connections, contextsMax, monotonic } = this.#parts;
    const onForgotten = (forgotten: KeyContext) => this.#forgotten(forgotten);
    const context = new KeyContext(security, remoteAddress, { monotonic, onForgotten });
    this.#byKeyId.get(context.keyId)?.end();
    this.#byKeyId.delete(context.keyId);
    if (this.#byKeyId.size >= contextsMax) this.#displaceOldest();
    this.#byKeyId.set(context.keyId, context);
    context.connection = connections.register(fingerprint, context);
    return context;
  }

  heard(context: KeyContext, remoteAddress: string): void {
    context.heard(remoteAddress);
    if (this.#byKeyId.get(context.keyId) !== context) return;
    this.#byKeyId.delete(context.keyId);
    this.#byKeyId.set(context.keyId, context);
  }

  /** Resolves when what was under way has its answer; nothing else is left then. */
  async close(): Promise<void> {
    clearInterval(this.#looking);
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    if (this.#byKeyId.size === 0) return;
    for (const context of [...this.#byKeyId.values()]) context.end();
    await empty;
  }

  #displaceOldest(): void {
    const [oldest] = this.#byKeyId.values();
    this.#displaced++;
    oldest?.drop();
  }

  #forgetIdle(): void {
    const now = this.#parts.monotonic();
    for (const context of this.#byKeyId.values()) {
      if (now - context.heardAt < idleMs) return;
      context.drop();
    }
  }

  #forgotten(context: KeyContext): void {
    this.#parts.connections.remove(context.connection);
    if (this.#byKeyId.get(context.keyId) === context) this.#byKeyId.delete(context.keyId);
    if (this.#byKeyId.size === 0) this.#onEmpty();
  }
}
