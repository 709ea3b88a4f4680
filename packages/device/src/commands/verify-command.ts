import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { PortcullisError } from '@portcullis/contract';
import { certificatesIn } from '../credential/chain.ts';
import { isLabelStatement, verifyLabelStatement } from '../credential/label-statement.ts';
import { verifyPublicAnswer } from '../credential/public-answer.ts';
import { realSystem } from '../system.ts';
import type { Output } from './output.ts';

interface VerifyCommand {
  /** `-`: standard input. */
  file: string;
  root: string | undefined;
  kept: boolean;
}

/** Whether a public answer, or the statement of a label, is the fleet's, without a network. @throws {PortcullisError} `usage`, `public_answer_not_verified`, `label_not_verified` */
export async function verifyAnswer({ file, root, kept }: VerifyCommand, output: Output): Promise<number> {
  if (root === undefined)
    throw new PortcullisError('usage', 'name the root certificate of the fleet: verify FILE --root root.pem');
  const roots = readOf(root);
  if (certificatesIn(roots).length === 0) throw new PortcullisError('usage', `there is no certificate in "${root}"`);
  const signed = file === '-' ? await text(process.stdin) : readOf(file);
  if (isLabelStatement(signed)) return verifyLabel(signed, roots, output);
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

function verifyLabel(statement: string, roots: string, output: Output): number {
  const { sub: shipment, iss: fleet, iat, ...says } = verifyLabelStatement(statement, roots);
  const madeAt = new Date(iat * 1_000).toISOString();
  const words = Object.entries(says).map(([name, value]) => `, ${name} ${value}`);
  const limits = 'it says nothing of what became of it since, and a label can be copied';
  output.result(
    { shipment, fleet, madeAt, ...says },
    `${shipment} of ${fleet}, made ${madeAt}${words.join('')}; ${limits}`,
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
