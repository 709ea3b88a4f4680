import { ReadingId, StreamName } from '@portcullis/contract';

/** Where a PUBLISH goes: `streams/{stream}`, or `streams/{stream}/{id}` with the reading's own id. */
export interface Target {
  stream: string;
  id: string | undefined;
}

const before = 'streams';

export function targetOf(topic: string): Target | undefined {
  const [first, stream = '', id, more] = topic.split('/', 4);
  if (first !== before || more !== undefined || !StreamName.safeParse(stream).success) return undefined;
  return id === undefined || ReadingId.safeParse(id).success ? { stream, id } : undefined;
}

export const noticesOf = (subject: string) => `devices/${subject}/notices`;
