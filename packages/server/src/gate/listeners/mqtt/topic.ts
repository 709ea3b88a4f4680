import { ReadingId, StreamName } from '@portcullis/contract';

/**
 * Where a PUBLISH goes: `streams/{stream}`, `streams/{stream}/{id}` with the reading's own id, or `streams/{stream}/sealed` with what others
 * sealed.
 */
export interface Target {
  stream: string;
  id: string | undefined;
  sealed: boolean;
}

const before = 'streams';
const sealedLast = 'sealed';

export function targetOf(topic: string): Target | undefined {
  const [first, stream = '', id, more] = topic.split('/', 4);
  if (first !== before || more !== undefined || !StreamName.safeParse(stream).success) return undefined;
  if (id === sealedLast) return { stream, id: undefined, sealed: true };
  return id === undefined || ReadingId.safeParse(id).success ? { stream, id, sealed: false } : undefined;
}

/** What a device may read: what it is told of itself, and, of what it carried, what the gate says to those who sealed it. */
export const ownTopics = (subject: string) => ({
  notices: `devices/${subject}/notices`,
  acknowledgements: `devices/${subject}/acknowledgements`,
});
