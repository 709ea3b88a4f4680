import { type AttributeView, PortcullisError, plainJson, type SubjectView } from '@portcullis/contract';
import type { Seen } from './last-seen.ts';
import type { Listing } from './output.ts';

/** Attributes by their names: what a script asks for is `.attributes.status.value`. */
export function subjectJson({ attributes, ...rest }: SubjectView): Record<string, unknown> {
  return { ...rest, attributes: Object.fromEntries(attributes.map(({ name, ...about }) => [name, about])) };
}

const statusName = 'status';
const textOf = ({ name, value }: AttributeView) => `${name}=${plainJson(value)}`;
const statusOf = ({ attributes }: SubjectView) => attributes.find(({ name }) => name === statusName)?.value;

export const subjectListing: Listing<Seen> = {
  columns: [
    { title: 'SUBJECT', priority: 1, value: ({ subject }) => subject },
    { title: 'KIND', priority: 3, value: ({ kind, readOnly }) => (readOnly ? `${kind} (read-only)` : kind) },
    {
      title: 'STATUS',
      priority: 1,
      value: (one) => (one.retired ? 'retired' : statusOf(one)),
      colour: ({ retired }) => (retired ? 'red' : undefined),
    },
    {
      title: 'SEEN',
      priority: 2,
      value: ({ lastSeen }) => lastSeen?.at,
      colour: ({ lastSeen }) => (lastSeen?.verdict === 'refused' ? 'red' : undefined),
    },
    {
      title: 'ENDS',
      priority: 2,
      value: ({ certificate }) => certificate && endOf(certificate),
      colour: ({ certificate }) => (certificate && certificate.standing !== 'valid' ? 'red' : undefined),
    },
    {
      title: 'ATTRIBUTES',
      priority: 4,
      least: 20,
      value: ({ attributes }) =>
        attributes
          .filter(({ name }) => name !== statusName)
          .map(textOf)
          .join(' '),
    },
  ],
  json: ({ lastSeen, seenSince, ...subject }) => ({ ...subjectJson(subject), lastSeen, seenSince }),
  none: 'there is no such subject',
};

/** The day that it ends, or why it is of no use before. */
const endOf = ({ standing, notAfter }: NonNullable<SubjectView['certificate']>) =>
  standing === 'valid' ? notAfter.slice(0, 10) : standing;

/** What a list is sorted by; whoever has nothing there comes first. */
const keys = {
  subject: ({ subject }) => subject,
  kind: ({ kind }) => kind,
  status: (one) => String(statusOf(one) ?? ''),
  seen: ({ lastSeen }) => lastSeen?.at ?? '',
  ends: ({ certificate }) => certificate?.notAfter ?? '',
  made: ({ createdAt }) => createdAt,
} satisfies Record<string, (one: Seen) => string>;
export const sorts = Object.keys(keys);

/** @throws {PortcullisError} `usage` */
export function orderBy(word: string): (one: Seen) => string {
  if (Object.hasOwn(keys, word)) return keys[word as keyof typeof keys];
  throw new PortcullisError('usage', `a list is not sorted by "${word}"; it must be one of [${sorts.join(', ')}]`);
}

/** Read to its end first: a list that comes in pages has the order of ids. */
export async function sorted(rows: AsyncIterable<Seen>, order: (one: Seen) => string): Promise<Seen[]> {
  const all: Seen[] = [];
  for await (const row of rows) all.push(row);
  return all.sort((one, other) => (order(one) < order(other) ? -1 : Number(order(one) > order(other))));
}
