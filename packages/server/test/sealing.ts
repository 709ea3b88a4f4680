/** Who seals, who carries, and what a device makes of the answer: with the codec of the device package. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { type Agent, request } from 'node:https';
import {
  type Problem,
  type SealedAcknowledgement,
  type SealForm,
  type SealVerdict,
  sealMediaTypes,
} from '@portcullis/contract';
import { bodyOf, makeSeal, messagesIn, openAcknowledgement, type Sealed, sealNameOf } from '@portcullis/device/seal';
import type { Leaf } from './fleet-certificates.ts';
import type { OpenFront } from './open-front.ts';

export interface Wish extends Partial<Omit<Sealed, 'stream' | 'payload'>> {
  stream?: string;
  form?: SealForm;
  brings?: boolean;
}

/** One line for each reading. */
export function sealOf(leaf: Leaf, readings: object | object[] | string, wish: Wish = {}): Buffer {
  const { form = 'jws', brings = false, stream = 'telemetry', run = '0', seq = 1, time = Date.now() } = wish;
  const lines =
    typeof readings === 'string'
      ? readings
      : [readings]
          .flat()
          .map((reading) => JSON.stringify(reading))
          .join('\n');
  const signer = { key: createPrivateKey(leaf.key), certificate: new X509Certificate(leaf.cert).raw, brings };
  return makeSeal(form, signer, { stream: stream as Sealed['stream'], run, seq, time, payload: Buffer.from(lines) });
}

/** With other members in its header, and the signature that it had. */
export function reheaded(seal: Buffer, changes: object): Buffer {
  const [head = '', body, signature] = seal.toString().split('.');
  const header = { ...(JSON.parse(Buffer.from(head, 'base64url').toString()) as object), ...changes };
  return Buffer.from(`${Buffer.from(JSON.stringify(header)).toString('base64url')}.${body}.${signature}`);
}

export interface CarriedBack {
  status: number;
  type: string | undefined;
  body: Buffer;
  problem: Partial<Problem>;
  /** Opened as a device of the fleet does. */
  acknowledgements: SealedAcknowledgement[];
  /** Of each seal, in the order in which they were brought. */
  verdicts: (SealVerdict | undefined)[];
}

export async function carry(
  gate: OpenFront,
  agent: Agent,
  seals: readonly Buffer[],
  {
    form = 'jws',
    stream = 'telemetry',
    type = sealMediaTypes[form],
  }: { form?: SealForm; stream?: string; type?: string } = {},
): Promise<CarriedBack> {
  const answer = await posted(gate, agent, `/v1/streams/${stream}/sealed`, bodyOf(seals, form), type);
  const isProblem = /json/.test(answer.type ?? '');
  const trust = {
    roots: gate.certificates.rootPem,
    fleet: gate.certificates.fleet,
    now: Date.now(),
    since: Date.now() - 60_000,
  };
  const acknowledgements = isProblem
    ? []
    : messagesIn(answer.body, form).map((one) => openAcknowledgement(one, form, trust));
  const all = acknowledgements.flatMap((one) => one.seals);
  return {
    ...answer,
    problem: isProblem ? (JSON.parse(answer.body.toString()) as Problem) : {},
    acknowledgements,
    verdicts: seals.map((seal) => all.find((verdict) => verdict.seal === sealNameOf(seal))),
  };
}

function posted(
  gate: OpenFront,
  agent: Agent,
  path: string,
  body: Buffer,
  type: string,
): Promise<{ status: number; type: string | undefined; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': type, 'content-length': body.length };
    const sent = request({ host: '127.0.0.1', port: gate.port, agent, method: 'POST', path, headers }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, type: answer.headers['content-type'], body: Buffer.concat(pieces) }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
