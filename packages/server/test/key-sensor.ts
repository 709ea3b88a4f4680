/** The bytes of a sensor with a key credential, one datagram at a time: a test is its network. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  type CoapOption,
  type Datagram,
  deriveContext,
  type MasterParts,
  type Message,
  messageTypes,
  openAnswer,
  optionNumbers,
  parseDatagram,
  protectionOf,
  protectRequest,
  type SecurityContext,
  unwrapped,
  wrapped,
  writeDatagram,
} from '../src/oscore/oscore.ts';

export const uriPath = (...names: string[]): CoapOption[] =>
  names.map((name) => ({ number: optionNumbers.uriPath, value: Buffer.from(name) }));

export function parsed(datagram: Buffer): Datagram {
  const message = parseDatagram(datagram);
  assert.ok(!('refused' in message), JSON.stringify(message));
  return message;
}

/** What a sensor asks, before it is protected. */
export function reading(stream: string, payload: string | Buffer, options: CoapOption[] = []): Message {
  return { code: 0x02, options: [...uriPath('s', stream), ...options], payload: Buffer.from(payload) };
}

export class KeySensor {
  readonly master: Omit<MasterParts, 'idContext'>;
  type: number = messageTypes.confirmable;
  /** What stands outside of each request, for those on the way. */
  outside: CoapOption[] = [];
  #context: SecurityContext | undefined;
  #firstId: Buffer = Buffer.alloc(0);
  #number = 0;
  #messageId = 1;
  #piv: Buffer = Buffer.alloc(0);

  constructor(keyId: Buffer, secrets = { masterSecret: randomBytes(16), salt: randomBytes(8) }) {
    this.master = { ...secrets, senderId: keyId, recipientId: Buffer.of(0) };
  }

  get keyId(): Buffer {
    return this.master.senderId;
  }

  /** The authority's answer, as a gate sees it. */
  asSeenByGate(idContext: Buffer): SecurityContext {
    const { senderId: recipientId, recipientId: senderId, ...secrets } = this.master;
    return deriveContext({ ...secrets, senderId, recipientId, idContext });
  }

  /** Request #1 of RFC 8613 appendix B.2. */
  first(inner: Message = reading('s', ''), firstId = randomBytes(8)): Buffer {
    this.#firstId = firstId;
    this.#context = deriveContext({ ...this.master, idContext: firstId });
    this.#number = 0;
    return this.request(inner, wrapped(firstId));
  }

  /** Request #2, of the answer to #1. */
  second(answer: Buffer, inner: Message): Buffer {
    const outer = parsed(answer);
    const protection = protectionOf(outer.options);
    assert.ok(protection && !('refused' in protection) && protection.kidContext, 'the answer has a kid context');
    const challenge = unwrapped(protection.kidContext) as Buffer;
    const between = deriveContext({ ...this.master, idContext: Buffer.concat([challenge, this.#firstId]) });
    const opened = openAnswer(between, this.#piv, outer);
    assert.ok(!('refused' in opened), JSON.stringify(opened));
    assert.equal(opened.code, 0x81);
    const idContext = Buffer.concat([challenge, randomBytes(8)]);
    this.#context = deriveContext({ ...this.master, idContext });
    this.#number = 0;
    return this.request(inner, wrapped(idContext));
  }

  /** The next request under the context that there is. */
  request(inner: Message, kidContext?: Buffer): Buffer {
    assert.ok(this.#context, 'a context was made');
    const { outer, piv } = protectRequest(this.#context, this.#number++, inner, kidContext);
    this.#piv = piv;
    const header = { type: this.type, messageId: this.#messageId++, token: Buffer.of(0x11, 0x22) };
    return writeDatagram({ ...header, ...outer, options: [...outer.options, ...this.outside] });
  }

  /** The answer to the last request. */
  opened(answer: Buffer): Message {
    assert.ok(this.#context, 'a context was made');
    const opened = openAnswer(this.#context, this.#piv, parsed(answer));
    assert.ok(!('refused' in opened), JSON.stringify(opened));
    return opened;
  }
}
