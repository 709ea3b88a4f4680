import {
  AttributeName,
  AttributesRequest,
  AttributeTypeView,
  ChangeAnswer,
  PortcullisError,
  page,
  RetypeRequest,
  WaitQuery,
} from '@portcullis/contract';
import { z } from 'zod';
import { valuesAtOnceMax, type Within } from '../attributes/attributes.ts';
import type { By } from '../journal/journal.ts';
import type { Signals } from '../signals/signals.ts';
import { answerChange, changeBytesMax } from './changes.ts';
import { type Rooms, type Route, route } from './route.ts';

const params = z.strictObject({ name: AttributeName });

const isFew = (subjects: readonly string[], names: readonly string[]) =>
  subjects.length * names.length <= valuesAtOnceMax;

/** What becomes of holds within the same revision: they end where it is asked for, and never loosen what is set underneath. */
function beside(
  signals: Signals,
  { subjects, set = {}, unset = [], release = false, dryRun }: AttributesRequest,
  names: readonly string[],
): Within | undefined {
  if (dryRun) return undefined;
  if (release) return (change) => signals.letGo(change, subjects, names);
  // Whether something is held is looked at within: a hold may begin meanwhile.
  if (!isFew(subjects, names)) return undefined;
  const values = { ...set, ...Object.fromEntries(unset.map((name) => [name, null])) };
  return (change) => signals.keepStrict(change, subjects, values);
}

/**
 * A change of many is prepared apart from holds, and goes under them: where it is stricter it is in force by a revision of its own, behind it.
 * Resolves to the last of these; 0: there is none.
 */
async function strictOfMany(
  rooms: Pick<Rooms, 'attributes' | 'signals'>,
  { subjects, set = {}, dryRun = false }: AttributesRequest,
  { by, since }: { by: By; since: number },
): Promise<number> {
  const size = Math.max(1, Math.floor(valuesAtOnceMax / Math.max(1, Object.keys(set).length)));
  let last = 0;
  if (dryRun) return last;
  for (let from = 0; from < subjects.length; from += size) {
    const some = subjects.slice(from, from + size);
    if ((await rooms.signals.heldBy(some, Object.keys(set))).length === 0) continue;
    last = Math.max(last, await strictOfSome(rooms, { subjects: some, set }, { by, from, since }));
  }
  return last;
}

/**
 * The request of each part has an id of its own: a retry does the parts that were not done, those of them that nobody has touched since.
 * Resolves to the revision; 0: it was left.
 */
async function strictOfSome(
  { attributes, signals }: Pick<Rooms, 'attributes' | 'signals'>,
  asked: { subjects: AttributesRequest['subjects']; set: NonNullable<AttributesRequest['set']> },
  { by, from, since }: { by: By; from: number; since: number },
): Promise<number> {
  const { request, ...others } = by;
  const isRetry = request?.outcome === 'repeated';
  const part = request && { id: `${request.id}/${from}`, hash: request.hash };
  const conditions = isRetry ? { ifRevision: since } : {};
  try {
    const strict = await attributes.change({ ...others, request: part }, { ...asked, ...conditions }, (change) =>
      signals.keepStrict(change, asked.subjects, asked.set),
    );
    return strict.revision;
  } catch (error) {
    if (isRetry && error instanceof PortcullisError && error.code === 'precondition_failed') return 0;
    throw error;
  }
}

export const attributesRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/attributes',
    kinds: ['operator'],
    summary: 'Sets and unsets attributes: one revision, however many subjects it names',
    uses: ['attributes', 'feed', 'signals'],
    schemas: { query: WaitQuery, body: AttributesRequest },
    answer: ChangeAnswer,
    once: true,
    bodyBytesMax: changeBytesMax,
    async handle({ attributes, feed, signals }, { query, body, by }) {
      const { subjects, reason } = body;
      const names = [...Object.keys(body.set ?? {}), ...(body.unset ?? [])];
      const within = beside(signals, body, names);
      const done = await attributes.change({ ...by, reason }, body, within);
      if (!within && !isFew(subjects, names)) {
        const since = done.revision;
        const strict = await strictOfMany({ attributes, signals }, body, { by: { ...by, reason }, since });
        done.revision = Math.max(since, strict);
      }
      const heldBy = await signals.heldBy(subjects, names);
      return { ...(await answerChange(feed, done, query, body)), ...(heldBy.length > 0 && { heldBy }) };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/attribute-types',
    kinds: ['operator'],
    summary: 'What type the values of each name have, and how many subjects have one',
    uses: ['attributes'],
    schemas: {},
    answer: page(AttributeTypeView),
    handle: async ({ attributes }) => ({ items: await attributes.types(), next: null }),
  }),
  route({
    method: 'GET',
    path: '/v1/attribute-types/:name',
    kinds: ['operator'],
    summary: 'What type the values of a name have',
    uses: ['attributes'],
    schemas: { params },
    answer: AttributeTypeView,
    handle: ({ attributes }, { params: { name } }) => attributes.type(name),
  }),
  route({
    method: 'POST',
    path: '/v1/attribute-types/:name',
    kinds: ['operator'],
    summary: 'Gives a name another type, where no value stands in the way: no revision',
    uses: ['attributes'],
    schemas: { params, body: RetypeRequest },
    answer: z.object({ changed: z.union([z.literal(0), z.literal(1)]) }),
    handle: ({ attributes }, { params: { name }, body: { type, reason }, by }) =>
      attributes.retype({ ...by, reason }, { name, type }),
  }),
];
