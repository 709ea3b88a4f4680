import { readFileSync } from 'node:fs';
import { PortcullisError, plainJson, readExactJson } from '@portcullis/contract';
import type { z } from 'zod';
import { durationOf } from './duration.ts';
import { namedFile } from './named-file.ts';
import type { CreateOptions } from './token.ts';
import { textOf } from './utf8-text.ts';
import { sentenceOf } from './wrong-words.ts';

/** What a new subject has unless it is told otherwise; attributes that are given come beside it. */
const usual = { status: 'active' };

/** What the options say of each. @throws {PortcullisError} `usage` */
export function commonOf(options: CreateOptions, given: Record<string, unknown>): Record<string, unknown> {
  const { kind, label, expires, afterRevocation, est, host, reads } = options;
  if (label !== undefined && 'label' in given) {
    throw new PortcullisError('usage', 'give the label once: with --label, or with --attribute label=TEXT');
  }
  return {
    ...(kind !== undefined && { kind }),
    attributes: { ...usual, ...given, ...(label !== undefined && { label }) },
    ...(expires !== undefined && { expiresSeconds: durationOf(expires) }),
    ...(afterRevocation && { afterRevocation }),
    ...(est && { est }),
    ...(host && { hosts: host }),
    ...(reads && { reads }),
  };
}

/** One, or those of a file, each once: a subject id or a JSON object a line. @throws {PortcullisError} `usage`, `request_malformed` */
export function wantedOf<Shape extends z.ZodType>(
  shape: Shape,
  {
    what,
    subject,
    from,
    common,
  }: {
    what: string;
    subject: string | undefined;
    from: string | undefined;
    common: Record<string, unknown>;
  },
): z.infer<Shape>[] {
  return from === undefined ? [check(shape, { ...common, subject }, what)] : fileOf(shape, from, common);
}

/** Before anybody is asked. @throws {PortcullisError} `usage` */
export function requireOne(subject: string | undefined, from: string | undefined): void {
  if ((subject === undefined) !== (from === undefined)) return;
  throw new PortcullisError('usage', 'name one subject, or a file of them with --from FILE');
}

function fileOf<Shape extends z.ZodType>(
  shape: Shape,
  file: string,
  common: Record<string, unknown>,
): z.infer<Shape>[] {
  const lines = textOf(file === '-' ? readFileSync(0) : namedFile(file)).split('\n');
  const named = new Map<unknown, number>();
  return lines.flatMap((text, index) => {
    const line = text.trim();
    if (line === '') return [];
    const { label, ...own } = line.startsWith('{') ? parseLine(line, index + 1) : { subject: line };
    requireFirst(named, own.subject, index + 1);
    const labelled = label === undefined ? {} : { label };
    const attributes = { ...(common.attributes as object), ...labelled, ...(own.attributes as object | undefined) };
    return [check(shape, { ...common, ...own, attributes }, `line ${index + 1}`)];
  });
}

function requireFirst(named: Map<unknown, number>, subject: unknown, line: number): void {
  const before = named.get(subject);
  if (before !== undefined)
    throw new PortcullisError('usage', `line ${line}: ${plainJson(subject)} is in line ${before} already`);
  named.set(subject, line);
}

function parseLine(text: string, line: number): Record<string, unknown> {
  const read = readExactJson(text);
  if (!('refused' in read)) return read.value as Record<string, unknown>;
  throw new PortcullisError('usage', `line ${line}: ${read.refused}`);
}

function check<Shape extends z.ZodType>(shape: Shape, wanted: Record<string, unknown>, where: string): z.infer<Shape> {
  const parsed = shape.safeParse(wanted);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const [name = ''] = issue?.path ?? [];
  const value = wanted[name as string];
  const found = typeof value === 'string' ? `${String(name)} ${plainJson(value)}` : `"${issue?.path.join('.')}"`;
  throw new PortcullisError('usage', `${where}: ${sentenceOf(found, issue?.message ?? 'does not fit')}`);
}
