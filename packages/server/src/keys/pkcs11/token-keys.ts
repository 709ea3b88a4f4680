/**
 * Keys that never leave a token (PKCS#11). One session, one act at a time. Whatever goes wrong ends the session with its process, and the act is tried
 * once more in a new one: a token that is back signs again. A key that is not found is one that is not there, and none is made instead.
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { keyAlgorithms, PortcullisError } from '@portcullis/contract';
import type { System } from '../../telemetry/telemetry.ts';
import type { Keys, Signer } from '../promises.ts';
import { TokenError } from './module-process.ts';
import { ecdsaDer, p256Parameters, p256PublicKey } from './p256.ts';
import { openSession, PinRefused, type Session, type TokenPlace } from './session.ts';
import type { Attribute } from './wire.ts';

/** CKO_PUBLIC_KEY, CKO_PRIVATE_KEY; CKK_EC; CKM_EC_KEY_PAIR_GEN, CKM_ECDSA. */
const [publicClass, privateClass, ecKey] = [2, 3, 3];
const [generateEc, signEcdsa] = [0x1040, 0x1041];
const attributes = {
  class: 0x0,
  token: 0x1,
  private: 0x2,
  label: 0x3,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  sign: 0x108,
  verify: 0x10a,
  extractable: 0x162,
  ecParameters: 0x180,
  ecPoint: 0x181,
} as const;
/** After a failure what waits fails with it, for so long: a token that is gone holds nobody up for each of its tries. */
const restMs = 1_000;

interface Parts extends TokenPlace {
  pin(): Promise<string>;
  system: Pick<System, 'random' | 'monotonic'>;
}

export function tokenKeys(parts: Parts): Keys & AsyncDisposable {
  const token = new Token(parts);
  const open = async (name: string) =>
    signerOf(token, name, parts, await token.act((session) => findKey(session, name, parts)));
  return {
    async create(name, algorithm = 'p-256') {
      if (algorithm !== 'p-256') {
        throw new PortcullisError(
          'key_unusable',
          `a token keeps keys of p-256 alone; "${name}" is to be of ${algorithm}`,
        );
      }
      const id = parts.system.random(16);
      await token.act((session) => makeKey(session, name, id, parts), 'once');
      return open(name);
    },
    open,
    async [Symbol.asyncDispose]() {
      token.close();
    },
  };
}

/** A session that is opened when it is wanted, and the queue before it. */
class Token {
  readonly #parts: Parts;
  #session: Promise<Session> | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** Why nothing is tried any more in this process. */
  #refused: PinRefused | undefined;
  #failed: { error: unknown; until: number } | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** `once`: what may have happened is not repeated. @throws {PortcullisError} `key_unusable` */
  act<Result>(run: (session: Session) => Promise<Result>, times: 'once' | 'twice' = 'twice'): Promise<Result> {
    const turn = this.#queue.then(() => this.#turn(run, times));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #turn<Result>(run: (session: Session) => Promise<Result>, times: 'once' | 'twice'): Promise<Result> {
    const failed = this.#failed;
    if (failed && this.#parts.system.monotonic() < failed.until) throw failed.error;
    try {
      return await this.#try(run).catch((error) => {
        if (times === 'once' || !mayPass(error)) throw error;
        return this.#try(run);
      });
    } catch (error) {
      const told = this.#told(error);
      if (mayPass(error)) this.#failed = { error: told, until: this.#parts.system.monotonic() + restMs };
      throw told;
    }
  }

  async #try<Result>(run: (session: Session) => Promise<Result>): Promise<Result> {
    if (this.#refused) throw this.#refused;
    try {
      this.#session ??= openSession(this.#parts, () => this.#parts.pin());
      return await run(await this.#session);
    } catch (error) {
      if (error instanceof PinRefused) this.#refused = error;
      // Also where a key is missing: another token may be in its place, which a module goes on with for as long as its session lives.
      this.close();
      throw error;
    }
  }

  #told(error: unknown): unknown {
    if (!(error instanceof TokenError)) return error;
    const why = `token "${this.#parts.token}" does not do it (${error.message})`;
    return new PortcullisError('key_unusable', why, { cause: error });
  }

  close(): void {
    this.#session?.then(
      (session) => session[Symbol.dispose](),
      () => undefined,
    );
    this.#session = undefined;
  }
}

/** That a key is missing, or twice there, is an answer of a token that works. */
class NoSuchKey extends PortcullisError {}

const mayPass = (error: unknown) => !(error instanceof PinRefused || error instanceof NoSuchKey);

interface FoundKey {
  session: Session;
  handle: bigint;
  spki: Buffer;
}

const named = (objectClass: number, name: string): Attribute[] => [
  [attributes.class, objectClass],
  [attributes.token, true],
  [attributes.label, Buffer.from(name)],
];

/** By its label, which no other may have: twins differ in nothing that a certificate shows. */
async function findKey(session: Session, name: string, { token }: TokenPlace): Promise<FoundKey> {
  const found = await session.find([...named(privateClass, name), [attributes.keyType, ecKey]]);
  const [handle] = found;
  if (handle === undefined) {
    throw new NoSuchKey('key_unusable', `token "${token}" has no EC key "${name}"; put the token in that has it`);
  }
  if (found.length > 1) {
    throw new NoSuchKey(
      'key_unusable',
      `token "${token}" has ${found.length} keys "${name}"; rename all but the right one`,
    );
  }
  const [id] = await session.read(handle, [attributes.id]);
  const halves = await session.find(
    id && id.length > 0
      ? [
          [attributes.class, publicClass],
          [attributes.id, id],
        ]
      : named(publicClass, name),
  );
  if (halves.length !== 1) {
    throw new NoSuchKey(
      'key_unusable',
      `token "${token}" has ${halves.length} public halves of "${name}"; it must have one`,
    );
  }
  const values = await session.read(halves[0] as bigint, [attributes.ecParameters, attributes.ecPoint]);
  const spki = p256PublicKey(values[0], values[1]);
  if (!spki) throw new NoSuchKey('key_unusable', `the key "${name}" of token "${token}" is not of p-256`);
  return { session, handle, spki };
}

async function makeKey(session: Session, name: string, id: Buffer, { token }: TokenPlace): Promise<void> {
  if ((await session.find([[attributes.label, Buffer.from(name)]])).length > 0) {
    const why = `token "${token}" has something called "${name}" already; a fleet wants a token of its own`;
    throw new NoSuchKey('key_unusable', why);
  }
  const both: Attribute[] = [
    [attributes.token, true],
    [attributes.label, Buffer.from(name)],
    [attributes.id, id],
  ];
  await session.generate(
    generateEc,
    [...both, [attributes.verify, true], [attributes.ecParameters, p256Parameters]],
    [
      ...both,
      [attributes.private, true],
      [attributes.sensitive, true],
      [attributes.extractable, false],
      [attributes.sign, true],
    ],
  );
}

function signerOf(token: Token, name: string, place: TokenPlace, first: FoundKey): Signer {
  const { spki } = first;
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  let known = first;
  return {
    name,
    publicKey: spki,
    keyAlgorithm: 'p-256',
    algorithm: keyAlgorithms['p-256'].signature,
    sign: (bytes) =>
      token.act(async (session) => {
        // No handle outlives its session.
        if (known.session !== session) known = await findKey(session, name, place);
        if (!known.spki.equals(spki))
          throw new NoSuchKey('key_unusable', `token "${place.token}" has another key "${name}" now`);
        return signed(session, known.handle, bytes, publicKey, name);
      }),
  };
}

/** What a token signs is not believed: a wrong signature would be in a certificate for years. */
async function signed(session: Session, key: bigint, bytes: Uint8Array, publicKey: KeyObject, name: string) {
  const digest = createHash('sha256').update(bytes).digest();
  const signature = ecdsaDer(await session.sign(signEcdsa, key, digest));
  if (signature && verify('sha256', bytes, publicKey, signature)) return signature;
  throw new PortcullisError('key_unusable', `what the token signs with "${name}" does not verify`);
}
