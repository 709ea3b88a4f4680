import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { bearsToken, readTokenHash } from './bearer-token.ts';
import type { SignalFormat, SignalHeaders } from './delivery.ts';
import { SecretLines } from './secret-lines.ts';
import { Senders } from './senders.ts';
import { isSigned, readWebhookHeaders, readWebhookKey } from './webhook-signature.ts';

/** Of a source in `fleet.yaml`: how it proves itself, and in which form it speaks. */
export interface SourceConfig {
  certificate?: string | undefined;
  hmac?: string | undefined;
  bearer?: string | undefined;
  format: SignalFormat;
  from: readonly string[];
}

export interface Source {
  readonly name: string;
  readonly format: SignalFormat;
  readonly bodyBytesMax: number;
  /** The subject whose certificate proves it; undefined: something else does. */
  readonly certificate: string | undefined;
}

interface Known extends Source {
  keys?: SecretLines<Buffer>;
  hashes?: SecretLines<Buffer>;
  senders?: Senders;
}

interface Parts {
  /** What names of files are relative to. */
  directory: string;
  signals: Readonly<Record<string, SourceConfig>>;
  system: { now(): number; monotonic(): number };
}

/** FINDINGS A12: Alertmanager has no bound; 5 000 alerts are 1.7 MB. */
export const deliveryBytesMax = 16 * 1024 * 1024;
/** Whose body is read before it is known who sent it. */
export const signedBytesMax = 1024 * 1024;

const loopback: readonly string[] = ['127.0.0.0/8', '::1'];

/** Who may signal, and how it is proven. Who is refused is not told whether there is such a source. */
export class Sources {
  /** The files with secrets, as `fleet.yaml` names them. */
  readonly files: readonly string[];
  readonly #known = new Map<string, Known>();
  readonly #now: () => number;

  /** @throws {PortcullisError} `config_invalid` */
  constructor({ directory, signals, system: { now, monotonic } }: Parts) {
    this.#now = now;
    this.files = Object.values(signals).flatMap(({ hmac, bearer }) => hmac ?? bearer ?? []);
    for (const [name, { certificate, hmac, bearer, format, from }] of Object.entries(signals)) {
      const keys = {
        read: readWebhookKey,
        must: '"whsec_" and 24 to 64 bytes in base64 (Standard Webhooks)',
        monotonic,
      };
      const hashes = { read: readTokenHash, must: 'the SHA-256 of a token, in hex', monotonic };
      this.#known.set(name, {
        ...{ name, format, certificate },
        bodyBytesMax: hmac === undefined ? deliveryBytesMax : signedBytesMax,
        senders: new Senders(from.length > 0 ? from : loopback),
        ...(hmac !== undefined && { keys: new SecretLines({ ...keys, file: join(directory, hmac) }) }),
        ...(bearer !== undefined && { hashes: new SecretLines({ ...hashes, file: join(directory, bearer) }) }),
      });
    }
  }

  /** Whether there is one that comes without a certificate. */
  get hasOpenOnes(): boolean {
    return [...this.#known.values()].some(({ certificate }) => certificate === undefined);
  }

  has(name: string): boolean {
    return this.#known.has(name);
  }

  /** @throws {PortcullisError} `signal_unproven` */
  requireCertificate(name: string, subject: string): Source {
    const source = this.#known.get(name);
    if (source !== undefined && source.certificate === subject) return source;
    throw unproven(`no source "${name}" is proven by a certificate of "${subject}"`);
  }

  /** What can be said before the body is read: the address, the token, the age. @throws {PortcullisError} `signal_unproven` */
  requireAdmitted(name: string, address: string, headers: SignalHeaders): Source {
    const source = this.#known.get(name);
    if (!source?.senders?.has(address))
      throw unproven(`no source "${name}" sends from ${address} without a certificate`);
    if (source.hashes && bearsToken(headers, source.hashes.secrets)) return source;
    if (!source.keys) throw unproven(`no source "${name}" sends from ${address} with this token`);
    const message = readWebhookHeaders(headers, this.#now() / 1000);
    if ('refused' in message) throw unproven(message.refused);
    return source;
  }

  /** And what only the whole of it proves. @throws {PortcullisError} `signal_unproven` */
  requireSigned({ name }: Source, headers: SignalHeaders, raw: Buffer): void {
    const keys = this.#known.get(name)?.keys;
    if (!keys) return;
    const message = readWebhookHeaders(headers, this.#now() / 1000);
    if (!('refused' in message) && isSigned(message, raw, keys.secrets)) return;
    throw unproven('refused' in message ? message.refused : 'webhook-signature does not fit the body and any key');
  }
}

const unproven = (why: string) => new PortcullisError('signal_unproven', why);
