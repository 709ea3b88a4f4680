import type { RefusedReading, SinkRequest } from '../promises.ts';

/** Some readings of a request, by their places. */
export function partOf(request: SinkRequest, places: readonly number[]): SinkRequest {
  const pick = <Value>(values: readonly Value[]) => places.map((place) => values[place] as Value);
  return {
    ...request,
    ids: pick(request.ids),
    given: pick(request.given),
    deviceTimes: pick(request.deviceTimes),
    clocks: pick(request.clocks),
    sequences: pick(request.sequences),
    runs: pick(request.runs),
    data: pick(request.data),
    watched: request.watched.map((watched) => ({ ...watched, sides: places.map((at) => watched.sides[at]).join('') })),
  };
}

/** Each reading a request of its own: one that is refused takes none with it. */
export const singly = (request: SinkRequest): SinkRequest[] => request.ids.map((_, place) => partOf(request, [place]));

/** Also those whose id the gate made, so that what comes twice is found. */
export const known = (request: SinkRequest): SinkRequest => ({ ...request, given: request.ids.map(() => true) });

const told = 'the id was given to another reading before; this one was acknowledged while the sink was away';

/** An acknowledged reading that the sink can not have beside another one with its id: as its sender would send it again. */
export function refusedFrom(request: SinkRequest): RefusedReading {
  const { subject, certificate, stream, receivedAt } = request;
  const [id = '', deviceTime, text = '{}'] = [request.ids[0], request.deviceTimes[0], request.data[0]];
  const time = deviceTime == null ? '' : `,"_time":"${new Date(deviceTime).toISOString()}"`;
  const rest = /^\s*\{\s*\}\s*$/.test(text) ? '}' : `,${text.slice(text.indexOf('{') + 1)}`;
  return {
    ...{ at: receivedAt, subject, certificate, topic: stream, stream, id },
    ...{ reason: 'reading_id_reused', told, contentType: 'application/json' },
    payload: Buffer.from(`{"_id":${JSON.stringify(id)}${time}${rest}`),
  };
}
