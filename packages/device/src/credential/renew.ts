import { X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  Confirmed,
  type EnrolmentPurpose,
  GateList,
  IssuedCredential,
  proofBytes,
  RenewalNonce,
} from '@portcullis/contract';
import { exchange } from '../link/exchange.ts';
import { Link } from '../link/link.ts';
import { signatureWith } from '../link/private-key.ts';
import { ask, newChallenge, type Question, sha256Hex } from './answer.ts';
import {
  adoptCredential,
  type Credential,
  credentialFileIn,
  type KeyHeld,
  pairOf,
  pendingKey,
  withKeyTaken,
  writeCredential,
} from './credential.ts';
import { requireOwn } from './enrol.ts';
import type { KnownTime } from './known-time.ts';
import { algorithmOfKey, makeRequest } from './request.ts';

/**
 * A new key, of the same algorithm for as long as that is taken, and certificate for the same subject, signed for by the old key, and on
 * disk beside the old pair when this resolves. A key in a TPM is renewed as it is: nobody but its owner makes another. The
 * old one is superseded only when the new one is confirmed: a crash anywhere leaves a working pair and the same next step.
 * @throws {PortcullisError} `renewal_refused`, `server_not_verified`, `server_unreachable`, `answer_not_verified`
 */
export async function renew({ credential, directory, signal, time }: Renewal): Promise<Credential> {
  const { subject } = credential;
  const { keyFile } = credential;
  const next = await withLink(credential, { signal, time }, (link) => {
    const issuedOf = async (held: KeyHeld) => {
      const request = makeRequest(held.key, subject);
      const issued = await askWith(link, credential, {
        purpose: 'renewal',
        path: '/v1/renewals',
        request,
        shape: IssuedCredential,
        moment: time?.moment(),
      });
      return { ...issued, ...held, unconfirmed: true as const, previous: pairOf(credential) };
    };
    if (keyFile !== undefined) return issuedOf({ key: credential.key, keyFile });
    const algorithm = algorithmOfKey(credential.key) ?? 'p-256';
    return withKeyTaken(algorithm, (one) => issuedOf({ key: pendingKey(directory, one) }));
  });
  requireOwn(next, subject);
  adoptCredential(directory, next);
  return next;
}

/** The first use of a renewed pair: supersedes the certificate before it. Repeating it does no harm. */
export async function confirm({ credential, directory, signal, time }: Renewal): Promise<Credential> {
  const { unconfirmed, previous: _previous, ...confirmed } = credential;
  if (!unconfirmed) return credential;
  await withLink(credential, { signal, time }, (link) =>
    askWith(link, credential, {
      ...{ purpose: 'confirmation', path: '/v1/renewals/confirmation', shape: Confirmed },
      moment: time?.moment(),
    }),
  );
  adoptCredential(directory, confirmed);
  return confirmed;
}

/** The same pair, with the gates that there are now: on disk too, where they are others. */
export async function findGates({ credential, directory, signal, time }: Renewal): Promise<Credential> {
  const { gates, mqttGates } = await withLink(credential, { signal, time }, (link) =>
    askWith(link, credential, {
      ...{ purpose: 'gates', path: '/v1/renewals/gates', shape: GateList },
      moment: time?.moment(),
    }),
  );
  const next = { ...credential, gates, ...(mqttGates && { mqttGates }) };
  if (gates.length === 0 || isDeepStrictEqual(next, credential)) return credential;
  writeCredential(credentialFileIn(directory), next);
  return next;
}

export interface Renewal {
  credential: Credential;
  directory: string;
  signal?: AbortSignal | undefined;
  /** Where the system's clock may be wrong. */
  time?: KnownTime | undefined;
}

interface Wanted<Value> extends Pick<Question<Value>, 'shape' | 'moment'> {
  purpose: EnrolmentPurpose;
  path: string;
  request?: Buffer;
}

/** Signed by the key of this credential over a nonce of the server, a challenge of ours, and what it is about. */
async function askWith<Value>(
  link: Link,
  { key, certificate, enrolment, roots, fleet }: Credential,
  { purpose, path, request, shape, moment }: Wanted<Value>,
): Promise<Value> {
  const { nonce } = await exchange(link, `${enrolment}/v1/renewals/nonce`, {}, RenewalNonce);
  const about = sha256Hex(request ?? new X509Certificate(certificate).raw);
  const asked = { purpose, challenge: newChallenge(), about };
  const signature = signatureWith(key, proofBytes(asked, nonce)).toString('base64');
  const body = {
    ...{ certificate, nonce, challenge: asked.challenge, signature },
    ...(request && { request: request.toString('base64') }),
  };
  return ask(link, { url: `${enrolment}${path}`, body, asked, shape, moment, roots, fleet });
}

async function withLink<T>(
  { roots, fleet }: Credential,
  { signal, time }: Pick<Renewal, 'signal' | 'time'>,
  work: (link: Link) => Promise<T>,
): Promise<T> {
  const link = new Link({ roots, fleet, role: 'enroller', moment: time?.moment });
  const close = () => link.close();
  signal?.addEventListener('abort', close);
  try {
    return await work(link);
  } finally {
    signal?.removeEventListener('abort', close);
    link.close();
  }
}
