import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { PortcullisError } from '@portcullis/contract';
import { certificatesIn } from '../credential/chain.ts';
import { verifyPublicAnswer } from '../credential/public-answer.ts';
import { realSystem } from '../system.ts';
import type { Output } from './output.ts';

interface VerifyCommand {
  /** `-`: standard input. */
  file: string;
  root: string | undefined;
  kept: boolean;
}

/** Whether a public answer is the fleet's, without a network. @throws {PortcullisError} `usage`, `public_answer_not_verified` */
export async function verifyAnswer({ file, root, kept }: VerifyCommand, output: Output): Promise<number> {
  if (root === undefined)
    throw new PortcullisError('usage', 'name the root certificate of the fleet: verify FILE --root root.pem');
  const roots = readOf(root);
  if (certificatesIn(roots).length === 0) throw new PortcullisError('usage', `there is no certificate in "${root}"`);
  const signed = file === '-' ? await text(process.stdin) : readOf(file);
  const { answer, signer, current } = verifyPublicAnswer(signed, { roots, now: realSystem.now(), kept });
  const { sub: subject, iss: fleet, state, asOf, exp, certificate, attributes, journey, revision } = answer;
  const goodUntil = new Date(exp * 1_000).toISOString();
  const { standing } = certificate ?? { standing: 'none' };
  const good = current ? `good until ${goodUntil}` : `it was good until ${goodUntil}`;
  output.result(
    { subject, fleet, state, standing, asOf, goodUntil, current, signer, revision, attributes, journey },
    `${subject} of ${fleet}: ${state} as of ${asOf}, its certificate: ${standing}; signed by ${signer}, ${good}`,
  );
  return 0;
}

function readOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PortcullisError('usage', `couldn't read "${file}": ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
}
