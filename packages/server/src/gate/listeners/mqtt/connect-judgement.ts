import { type Ground, isAdmissible, judge, type Refused } from '../../admission/admit.ts';
import type { Bearer } from '../../connections/bearer.ts';

/** Whether somebody may hold a connection at all: while some stream admits him. Else why not, by the stream that comes nearest. */
export function connectRefused(bearer: Bearer, ground: Ground): Refused | undefined {
  const nowhere = judge({ bearer, stream: undefined, data: [] }, ground);
  if (nowhere && nowhere.reason !== 'stream_unknown') return nowhere;
  if (isAdmissible(bearer, ground)) return undefined;
  const all = [...ground.policy.streams.values()].map((stream) => judge({ bearer, stream, data: [] }, ground));
  return all.find((refused) => refused?.reason !== 'kind_not_admitted') ?? all[0] ?? nowhere;
}
