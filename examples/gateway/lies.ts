/** What somebody could do who carries what others sealed, and has taken it over. */
import { generateKeyPairSync, sign } from 'node:crypto';

export interface Handed {
  stream: string;
  /** JWS in compact form. */
  seals: string[];
}

export interface Answer {
  status: number;
  type: string;
  body: string;
}

/** Asks the carrier behind it, as an honest gateway would. */
export type Forward = (handed: Handed) => Promise<Answer>;

type Lie = (handed: Handed, forward: Forward) => Promise<Answer>;

const decoded = (part = '') => Buffer.from(part, 'base64url').toString();
const encoded = (text: string) => Buffer.from(text).toString('base64url');
const parts = (seal: string) => seal.split('.') as [string, string, string];

/** Digits of the data become others; the signature stays. */
function tampered(seal: string): string {
  const [head, payload, signature] = parts(seal);
  return `${head}.${encoded(decoded(payload).replace(/"value":\d+/g, '"value":666'))}.${signature}`;
}

/** In the name of the signer, by a key of its own. */
function invented(seal: string): string {
  const [head, payload] = parts(tampered(seal));
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signature = sign('sha256', Buffer.from(`${head}.${payload}`), { key, dsaEncoding: 'ieee-p1363' });
  return `${head}.${payload}.${signature.toString('base64url')}`;
}

/** RFC 8725 §2.1: what a naive reader would take. */
function downgraded(seal: string): string {
  const [head, payload] = parts(tampered(seal));
  const header = { ...(JSON.parse(decoded(head)) as object), alg: 'none' };
  return `${encoded(JSON.stringify(header))}.${payload}.`;
}

const acknowledged = (handed: Handed): Answer => ({
  ...{ status: 200, type: 'application/jose' },
  body: `${JSON.stringify({ acknowledged: handed.seals.length })}\n`,
});

/** The answer to the first one, for everything that comes after it. */
let first: Answer | undefined;

/** The number that the second seal which it ever saw begins with: that one never comes through. */
let withheld: number | undefined;
const numberOf = (seal: string) => (JSON.parse(decoded(parts(seal)[0])) as { seq: number }).seq;

function withoutOne(seals: string[]): string[] {
  withheld ??= seals.length > 1 ? numberOf(seals[1] as string) : undefined;
  return seals.filter((seal) => numberOf(seal) !== withheld);
}

export const lies: Record<string, Lie> = {
  nothing: (handed, forward) => forward(handed),
  tampers: ({ stream, seals }, forward) => forward({ stream, seals: seals.map(tampered) }),
  invents: ({ stream, seals }, forward) => forward({ stream, seals: seals.map(invented) }),
  downgrades: ({ stream, seals }, forward) => forward({ stream, seals: seals.map(downgraded) }),
  replays: async ({ stream, seals }, forward) => {
    const answer = await forward({ stream, seals });
    await forward({ stream, seals: [...seals, ...seals] });
    return answer;
  },
  reorders: ({ stream, seals }, forward) => forward({ stream, seals: seals.toReversed() }),
  withholds: ({ stream, seals }, forward) => forward({ stream, seals: withoutOne(seals) }),
  'swaps-streams': ({ seals }, forward) => forward({ stream: 'other', seals }),
  'answers-by-itself': (handed) => Promise.resolve(acknowledged(handed)),
  'answers-with-an-old-one': async (handed, forward) => {
    first ??= await forward(handed);
    return first;
  },
};
