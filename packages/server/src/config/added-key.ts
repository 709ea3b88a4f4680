import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { PortcullisError } from '@portcullis/contract';
import { parseDocument } from 'yaml';

/**
 * The text of a file of configuration with one more key, in a line at its end: all else stays as it was written.
 * @throws {PortcullisError} `config_invalid` where that would not say so
 */
export function withKey(file: string, key: string, value: string): string {
  const text = readFileSync(file, 'utf8');
  const line = `${key}: ${JSON.stringify(value)}`;
  const next = `${text}${text.endsWith('\n') ? '' : '\n'}${line}\n`;
  const [before, after] = [text, next].map((one) => parseDocument(one));
  const isAdded = after?.errors.length === 0 && isDeepStrictEqual(after.toJS(), { ...before?.toJS(), [key]: value });
  if (isAdded) return next;
  throw new PortcullisError(
    'config_invalid',
    `${file}: no line can be added at its end; it must be able to end with ${line}`,
  );
}

/** The text of such a file with other values of some of its keys; comments stay. */
export function withKeys(file: string, values: Readonly<Record<string, unknown>>): string {
  const document = parseDocument(readFileSync(file, 'utf8'));
  for (const [key, value] of Object.entries(values)) document.set(key, document.createNode(value));
  return document.toString({ lineWidth: 0 });
}
