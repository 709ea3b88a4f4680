import type { X509Certificate } from 'node:crypto';
import {
  LabelStatement,
  LabelStatementHeader,
  labelStatementType,
  objectIdentifiers,
  PortcullisError,
} from '@portcullis/contract';
import { subjectNamesIn } from '../link/subject-names.ts';
import { certificateIn, chainComplaint, isValidAt } from './chain.ts';
import { isSigned, parseJson } from './public-answer.ts';

/** Two certificates of ML-DSA-87, twice in base64, and its signature. */
const lengthMax = 65_536;

/** Whether a text says of itself that a label certificate signed it. */
export function isLabelStatement(text: string): boolean {
  const [head = ''] = text.trim().slice(0, lengthMax).split('.');
  return (parseJson(head) as { typ?: unknown } | undefined)?.typ === labelStatementType;
}

/**
 * What is printed on a label beside the address: that the fleet made this shipment, then. It says nothing of what became of it since,
 * and nothing of the box. @throws {PortcullisError} `label_not_verified`
 */
export function verifyLabelStatement(text: string, roots: string): LabelStatement {
  const [head = '', body = '', signature = '', ...rest] = text.trim().split('.');
  const header = LabelStatementHeader.safeParse(parseJson(head));
  if (!header.success || rest.length > 0 || text.length > lengthMax)
    throw notVerified('it is not the statement of a label that is signed with ES256 or ML-DSA');
  const [leaf, issuer] = header.data.x5c.map((der) => certificateIn(Buffer.from(der, 'base64')));
  if (!leaf || !issuer) throw notVerified('it came without the certificates of a label');
  const why = chainComplaint(leaf, issuer, roots);
  if (why !== undefined) throw notVerified(`the certificate of the label ${why}`);
  if (!isSigned(leaf, { alg: header.data.alg, input: `${head}.${body}`, signature }))
    throw notVerified('its signature is not by the key it names');
  const said = LabelStatement.safeParse(parseJson(body));
  if (!said.success) throw notVerified('what is signed does not fit its schema');
  requireOwn(leaf, said.data);
  return said.data;
}

/** By a certificate of this very shipment, which can do nothing but sign it. */
function requireOwn(leaf: X509Certificate, { iss, sub, iat }: LabelStatement): void {
  const isItself = subjectNamesIn(leaf.subjectAltName).some(
    ({ kind, fleet, subject }) => kind === 'shipment' && fleet === iss && subject === sub,
  );
  const [usage, ...others]: readonly string[] = leaf.keyUsage ?? [];
  if (!isItself || usage !== objectIdentifiers.documentSigning || others.length > 0)
    throw notVerified(`it is signed by [${leaf.subjectAltName ?? ''}], which is not the label of "${sub}"`);
  if (!isValidAt(leaf, iat * 1_000)) throw notVerified('the certificate of the label was not valid when it was made');
}

const notVerified = (why: string) => new PortcullisError('label_not_verified', why);
