import { ChangeAnswer, PortcullisError, SubjectView, TokenCreated } from '@portcullis/contract';
import { z } from 'zod';
import type { Authority } from '../simulation/simulation.ts';
import type { FleetClient } from './fleet-client.ts';

const TokensCreated = z.object({ tokens: z.array(TokenCreated) });
const reason = 'portcullis simulate';
const answerMs = 120_000;
const askedAtOnce = 8;
/** By this a subject is known that was made to be simulated. */
const mark = 'simulated';

/** An operator, for who is simulated: it makes subjects, and touches none that was made for anything else. */
export function simulatedBy(client: FleetClient, attributes: Record<string, unknown>): Authority {
  return {
    async tokens(subjects) {
      for (let from = 0; from < subjects.length; from += askedAtOnce)
        await Promise.all(subjects.slice(from, from + askedAtOnce).map((subject) => requireOurs(client, subject)));
      const given = { status: 'active', ...attributes, [mark]: true };
      // A revoked one whose file was lost is made anew, and revoked again.
      const tokens = subjects.map((subject) => ({ subject, attributes: given, afterRevocation: true }));
      return (await client.post('/v1/tokens', { tokens, reason }, TokensCreated, answerMs)).tokens;
    },
    async revoke(subjects) {
      const body = { action: 'revoke', subjects, reason };
      await client.post('/v1/standings?wait=all&waitLimitMs=30000', body, ChangeAnswer, answerMs);
    },
  };
}

/** @throws {PortcullisError} `usage`: it is somebody else */
async function requireOurs(client: FleetClient, subject: string): Promise<void> {
  const found = await client.get(`/v1/subjects/${subject}`, SubjectView).catch((error: unknown) => {
    if (error instanceof PortcullisError && error.code === 'subject_unknown') return undefined;
    throw error;
  });
  if (!found || found.attributes.some(({ name, value }) => name === mark && value === true)) return;
  const message = `"${subject}" is a subject of this fleet that was not made to be simulated; choose another --prefix`;
  throw new PortcullisError('usage', message);
}
