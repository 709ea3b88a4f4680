import { addressGroup, Buckets } from '../../../bounds/bounds.ts';
import {
  type Datagram,
  firstValueOf,
  type Message,
  messageTypes,
  type OpenedRequest,
  optionNumbers,
  type Protection,
  parseDatagram,
  protectionOf,
  type SecurityContext,
  unwrapped,
  writeDatagram,
} from '../../../oscore/oscore.ts';
import { codes, isRequest } from './codes.ts';
import type { KeyContext } from './key-context.ts';
import type { KeyContexts } from './key-contexts.ts';
import type { Openings } from './openings.ts';
import { badOption, furtherOptions, maxAge } from './options.ts';

/** Where a datagram came from, and where its answer goes. */
export interface Remote {
  address: string;
  port: number;
}

/** What became of a datagram, as figures tell it. */
export const outcomes = [
  'opened',
  'repeated',
  'challenged',
  'established',
  'context_unknown',
  'replayed',
  'not_authentic',
  'not_protected',
  'malformed',
  'unavailable',
  'ignored',
] as const;
export type Outcome = (typeof outcomes)[number];

export interface EndpointParts {
  contexts: KeyContexts;
  openings: Openings;
  /** The row that a key has in the replica, where it is of a key that is valid: nothing is asked of anybody for another. */
  fingerprintOf(keyId: Buffer): Buffer | undefined;
  /** What the authority did not answer. */
  onUnavailable(error: Error): void;
  /** A request that nobody else can have made, and that did not come before. `answer` is called once, at any time. */
  onRequest(context: KeyContext, opened: OpenedRequest, answer: (inner: Message) => void): void;
  send(datagram: Buffer, to: Remote): void;
  monotonic(): number;
}

/** RFC 7252 §4.6, and the least that IPv6 carries in one piece (RFC 8200 §5). */
export const datagramBytesMax = 1_280;
/** An address that sends more that is not authentic than this is not looked at for a moment. */
const failures = { burst: 2_000, everyMs: 1 };
/** So many answers without protection go to one address. */
const plainAnswers = { burst: 1_000, everyMs: 5 };
/** A sensor that can not be served now asks again in so many seconds. */
export const retryAfterSeconds = 10;
const nothing = Buffer.alloc(0);

/**
 * From datagrams to requests: what is decided before anybody knows who sends. A stranger gets no more bytes than he sent, and one who recorded
 * what a sensor sent no three times as many; nothing is kept for either, and the authority is asked no more than `Openings` lets them.
 */
export class Endpoint {
  readonly counts = new Map<Outcome, number>();
  readonly #parts: EndpointParts;
  readonly #failures: Buckets;
  readonly #plainAnswers: Buckets;
  #messageId: number;

  constructor(parts: EndpointParts, firstMessageId: number) {
    const { monotonic } = parts;
    this.#parts = parts;
    this.#messageId = firstMessageId;
    this.#failures = new Buckets({ ...failures, monotonic });
    this.#plainAnswers = new Buckets({ ...plainAnswers, monotonic });
  }

  receive(bytes: Buffer, from: Remote): void {
    const isTooLarge = bytes.length > datagramBytesMax;
    const message = parseDatagram(isTooLarge ? headOf(bytes) : bytes);
    if ('refused' in message) return this.#unreadable(bytes, from);
    const { type, code } = message;
    if (type === messageTypes.acknowledgement || type === messageTypes.reset) return this.#count('ignored');
    // RFC 7252 §4.3: an empty one asks whether anybody is here; an answer to nothing is rejected in the same way.
    if (!isRequest(code)) return this.#reject(message, from, 'ignored');
    if (isTooLarge) return this.#plain(message, from, codes.requestEntityTooLarge, 'malformed');
    this.#request(message, from);
  }

  #request(message: Datagram, from: Remote): void {
    const bad = outerRefused(message);
    if (bad !== undefined) return this.#plain(message, from, bad, 'malformed');
    const protection = protectionOf(message.options);
    if (protection === undefined) return this.#plain(message, from, codes.unauthorized, 'not_protected');
    if ('refused' in protection || !protection.kid || !protection.partialIv) {
      return this.#plain(message, from, codes.badOption, 'malformed');
    }
    this.#protected(message, { ...protection, kid: protection.kid }, from);
  }

  #protected(message: Datagram, { kid, kidContext }: Protection & { kid: Buffer }, from: Remote): void {
    const context = this.#parts.contexts.of(kid);
    if (context && (kidContext === undefined || context.isNamedBy(kidContext)))
      return this.#serve(context, message, from);
    const idContext = kidContext && unwrapped(kidContext);
    // RFC 8613 §8.2; a sensor begins anew then.
    if (!idContext) return this.#plain(message, from, codes.unauthorized, 'context_unknown');
    this.#open(kid, idContext, message, from).catch((error: Error) => {
      this.#parts.onUnavailable(error);
      this.#plain(message, from, codes.serviceUnavailable, 'unavailable', retryAfterSeconds);
    });
  }

  async #open(kid: Buffer, idContext: Buffer, message: Datagram, from: Remote): Promise<void> {
    const { openings, fingerprintOf } = this.#parts;
    if (!fingerprintOf(kid)) return this.#plain(message, from, codes.unauthorized, 'context_unknown');
    const opening = await openings.open(kid, idContext, message, addressGroup(from.address));
    if ('answer' in opening) {
      this.#count('challenged');
      return this.#answer(opening.answer, message, from);
    }
    if ('security' in opening) return this.#establish(opening.security, message, from);
    if (opening.refused === 'too_often') return this.#count('ignored');
    if (opening.refused === 'unknown') return this.#plain(message, from, codes.unauthorized, 'context_unknown');
    if (opening.refused === 'not_authentic') return this.#notAuthentic(message, from);
    this.#plain(message, from, codes.serviceUnavailable, 'unavailable', retryAfterSeconds);
  }

  #establish(security: SecurityContext, message: Datagram, from: Remote): void {
    const { contexts, fingerprintOf } = this.#parts;
    const fingerprint = fingerprintOf(security.recipientId);
    if (!fingerprint) return this.#plain(message, from, codes.unauthorized, 'context_unknown');
    this.#count('established');
    this.#serve(contexts.establish(security, fingerprint, from.address), message, from);
  }

  #serve(context: KeyContext, message: Datagram, from: Remote): void {
    if (!this.#failures.has(addressGroup(from.address))) return this.#count('ignored');
    const opened = context.open(message);
    if ('repeated' in opened) {
      this.#count('repeated');
      if (opened.repeated) this.#answer(opened.repeated, message, from);
      return;
    }
    if ('refused' in opened) {
      if (opened.refused !== 'replayed') return this.#notAuthentic(message, from);
      return this.#plain(message, from, codes.unauthorized, 'replayed');
    }
    this.#count('opened');
    const { contexts, onRequest } = this.#parts;
    contexts.heard(context, from.address);
    onRequest(context, opened, (inner) => {
      const answer = context.answer(opened, inner);
      if (answer) this.#answer(answer, message, from);
    });
  }

  #notAuthentic(message: Datagram, from: Remote): void {
    this.#failures.take(addressGroup(from.address));
    this.#plain(message, from, codes.badRequest, 'not_authentic');
  }

  /** RFC 7252 §4.2: what can not be read is rejected where it can be seen that an answer is waited for. */
  #unreadable(bytes: Buffer, from: Remote): void {
    const [first = 0] = bytes;
    const isConfirmable = bytes.length >= 4 && first >> 6 === 1 && ((first >> 4) & 3) === messageTypes.confirmable;
    if (!isConfirmable) return this.#count('malformed');
    this.#reject({ type: messageTypes.confirmable, messageId: bytes.readUInt16BE(2) }, from, 'malformed');
  }

  #reject({ type, messageId }: Pick<Datagram, 'type' | 'messageId'>, from: Remote, outcome: Outcome): void {
    this.#count(outcome);
    if (type !== messageTypes.confirmable || !this.#plainAnswers.take(addressGroup(from.address))) return;
    const reset = { type: messageTypes.reset, messageId, code: 0, token: nothing, options: [], payload: nothing };
    this.#parts.send(writeDatagram(reset), from);
  }

  /** Without protection: for those with whom there is no key. No cache on the way keeps it (RFC 8613 §8.2). */
  #plain(message: Datagram, from: Remote, code: number, outcome: Outcome, seconds = 0): void {
    this.#count(outcome);
    if (!this.#plainAnswers.take(addressGroup(from.address))) return;
    this.#answer({ code, options: [maxAge(seconds)], payload: nothing }, message, from);
  }

  /** Behind the acknowledgement of what asks for one, and else by itself (RFC 7252 §5.2). */
  #answer(outer: Message, { type, messageId, token }: Datagram, to: Remote): void {
    const isConfirmable = type === messageTypes.confirmable;
    this.#messageId = (this.#messageId + 1) % 65_536;
    const header = isConfirmable
      ? { type: messageTypes.acknowledgement, messageId }
      : { type: messageTypes.nonConfirmable, messageId: this.#messageId };
    this.#parts.send(writeDatagram({ ...header, token, ...outer }), to);
  }

  #count(outcome: Outcome): void {
    this.counts.set(outcome, (this.counts.get(outcome) ?? 0) + 1);
  }
}

/** Header and token: what an answer needs. */
const headOf = (bytes: Buffer) => bytes.subarray(0, 4 + ((bytes[0] as number) & 0x0f));

/** What RFC 7252 knows, and OSCORE takes no notice of outside (RFC 8613 §8.2, step 1). */
const knownOutside = [
  ...[optionNumbers.uriHost, optionNumbers.uriPort, optionNumbers.oscore, optionNumbers.uriPath],
  ...[furtherOptions.ifMatch, furtherOptions.ifNoneMatch, furtherOptions.uriQuery, furtherOptions.accept],
  ...[optionNumbers.proxyUri, optionNumbers.proxyScheme],
];
const repeatableOutside = [optionNumbers.uriPath, furtherOptions.uriQuery, furtherOptions.ifMatch];

/** A request whose content comes in blocks is refused, for a block is kept for nobody. */
function outerRefused({ options }: Message): number | undefined {
  if (badOption(options, knownOutside, repeatableOutside)) return codes.badOption;
  const forAnother = firstValueOf(options, optionNumbers.proxyUri) ?? firstValueOf(options, optionNumbers.proxyScheme);
  return forAnother ? codes.proxyingNotSupported : undefined;
}
