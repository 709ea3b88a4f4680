/**
 * A sensor without X.509: what the firmware of a small one does, step by step (RFC 8613). It holds a key that it shares with the fleet,
 * makes a security context with the gate by two requests (appendix B.2), and goes on with its key id alone.
 */
import { randomBytes } from 'node:crypto';
import {
  type CoapOption,
  type Datagram,
  deriveContext,
  firstValueOf,
  type Message,
  messageTypes,
  openAnswer,
  optionNumbers,
  protectionOf,
  protectRequest,
  type SecurityContext,
  SenderNumbers,
  unwrapped,
  wrapped,
} from '../../packages/server/src/oscore/oscore.ts';
import type { Flash } from './flash.ts';
import type { Radio } from './radio.ts';

export interface Reading {
  stream: string;
  payload: Buffer;
  /** 50 JSON, 60 CBOR, 110 and 112 SenML. */
  contentFormat: number;
}

/** The answer of the gate, as it protected it. */
export interface Answer {
  /** As "2.04". */
  code: string;
  /** Empty when the reading is stored; else the reason. */
  text: string;
  /** How long to wait before the next try, when the gate says so. */
  retryAfterSeconds: number | undefined;
}

/** Said without protection, by the gate or by anybody on the way. */
export class Unprotected extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`the answer ${code} came without protection`);
    this.code = code;
  }
}

interface SensorParts {
  flash: Pick<Flash, 'content' | 'change'>;
  radio: Pick<Radio, 'ask'>;
  /** Numbers for which the flash is written once. */
  block?: number;
  /** Nothing but its being different each time is asked of it. */
  random?(bytes: number): Buffer;
}

const post = 0x02;
/** RFC 8613 §8.2: the gate has no context of this key (4.01), or one that this request is not of (4.00), which it made by a request whose answer was lost. */
const anew: readonly number[] = [0x81, 0x80];
const ownPartBytes = 8;
const nothing = Buffer.alloc(0);

export class Sensor {
  readonly #flash: SensorParts['flash'];
  readonly #radio: SensorParts['radio'];
  readonly #random: (bytes: number) => Buffer;
  readonly #numbers: SenderNumbers;
  #context: SecurityContext | undefined;
  #messageId: number;
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ flash, radio, block = 16, random = randomBytes }: SensorParts) {
    [this.#flash, this.#radio, this.#random] = [flash, radio, random];
    // They go on through all contexts of the key: no number is used twice, even if chance should give the same context twice.
    this.#numbers = new SenderNumbers(flash.content.reserved, block, async (reserved) => flash.change({ reserved }));
    const { idContext } = flash.content;
    this.#context = idContext === null ? undefined : this.#derived(Buffer.from(idContext, 'hex'));
    this.#messageId = random(2).readUInt16BE();
  }

  /** One after the other. Rejects when no answer came, or none that the gate protected: then nothing is known of the reading. */
  send(reading: Reading): Promise<Answer> {
    const sent = this.#turn.then(() => this.#send(reading));
    this.#turn = sent.catch(() => undefined);
    return sent;
  }

  async #send(reading: Reading): Promise<Answer> {
    const message = messageOf(reading);
    if (this.#context) {
      const answer = await this.#ask(this.#context, message);
      if ('message' in answer) return told(answer.message);
      // The gate was started anew, had no more room for a sensor that it had not heard for long, or was not heard by it.
      if (!anew.includes(answer.unprotected)) throw new Unprotected(worded(answer.unprotected));
    }
    return await this.#introduce(message);
  }

  /** Appendix B.2: a first request that says nothing, for the challenge that the second is made with. */
  async #introduce(message: Message): Promise<Answer> {
    const own = this.#random(ownPartBytes);
    const hello = { code: post, options: [], payload: nothing };
    const first = await this.#ask(this.#derived(own), hello, own);
    if ('unprotected' in first) throw new Unprotected(worded(first.unprotected));
    if (!first.challenge) throw new Error('the gate did not say what to make a context with');
    const idContext = Buffer.concat([first.challenge, this.#random(ownPartBytes)]);
    const context = this.#derived(idContext);
    const second = await this.#ask(context, message, idContext);
    if ('unprotected' in second) throw new Unprotected(worded(second.unprotected));
    // Kept once the gate has answered with it. Where the power goes before, it begins with a first request again.
    this.#flash.change({ idContext: idContext.toString('hex') });
    this.#context = context;
    return told(second.message);
  }

  /** Under a number of its own; what is repeated are the same bytes. `named`: the gate does not know the context by the key id yet. */
  async #ask(
    context: SecurityContext,
    message: Message,
    named?: Buffer,
  ): Promise<{ message: Message; challenge?: Buffer } | { unprotected: number }> {
    const { outer, piv } = protectRequest(context, await this.#numbers.next(), message, named && wrapped(named));
    this.#messageId = (this.#messageId + 1) % 0x10000;
    const request = { type: messageTypes.confirmable, messageId: this.#messageId, token: this.#random(2), ...outer };
    return await this.#radio.ask(request, (answer) => this.#readAnswer(context, piv, answer, named));
  }

  /** Undefined: it is no answer to this request, whoever sent it. */
  #readAnswer(context: SecurityContext, piv: Buffer, answer: Datagram, named: Buffer | undefined) {
    const protection = protectionOf(answer.options);
    if (protection === undefined) return { unprotected: answer.code };
    if ('refused' in protection) return undefined;
    const challenge = protection.kidContext && unwrapped(protection.kidContext);
    // To the first request it comes under the challenge and the sensor's own part.
    const under = challenge && named ? this.#derived(Buffer.concat([challenge, named])) : context;
    const message = openAnswer(under, piv, answer);
    return 'refused' in message ? undefined : { message, ...(challenge ? { challenge } : {}) };
  }

  #derived(idContext: Buffer): SecurityContext {
    const { keyId, serverId, masterSecret, masterSalt } = this.#flash.content;
    return deriveContext({
      masterSecret: Buffer.from(masterSecret, 'hex'),
      salt: Buffer.from(masterSalt, 'hex'),
      senderId: Buffer.from(keyId, 'hex'),
      recipientId: Buffer.from(serverId, 'hex'),
      idContext,
    });
  }
}

/** `POST coap://GATE/s/STREAM`. */
export function messageOf({ stream, payload, contentFormat }: Reading): Message {
  const path: CoapOption[] = ['s', stream].map((name) => ({ number: optionNumbers.uriPath, value: Buffer.from(name) }));
  const format = { number: optionNumbers.contentFormat, value: Buffer.from([contentFormat]) };
  return { code: post, options: [...path, format], payload };
}

/** Class and detail, as RFC 7252 §3 writes them. */
export const worded = (code: number) => `${code >> 5}.${String(code & 0x1f).padStart(2, '0')}`;

function told({ code, options, payload }: Message): Answer {
  const maxAge = firstValueOf(options, optionNumbers.maxAge);
  const retryAfterSeconds = maxAge && [...maxAge].reduce((sum, byte) => sum * 256 + byte, 0);
  return { code: worded(code), text: payload.toString('utf8'), retryAfterSeconds };
}
