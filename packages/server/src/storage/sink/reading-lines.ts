import { timestamp } from '../../telemetry/telemetry.ts';

/** A row of `requests`, as it is read. */
export type RequestRow = [
  number: number,
  batch: number,
  subject: string,
  certificate: string,
  stream: string,
  receivedAt: number,
  instance: string,
  policy: number,
  revision: number,
  state: string,
  carriedBy: string | null,
  sealed: number,
];

/** A row of `readings`, as it is read. */
export type ReadingRow = [
  number: number,
  id: string,
  deviceTime: number | null,
  clock: string,
  data: string,
  run: string | null,
  sequence: number | null,
];

/** One reading of a request → its line, as `ReadingView` has it, the data last and as they were stored. */
export type LineOf = (reading: ReadingRow) => string;

/** What a request's readings have in common is written once. `gate`: named in each line. */
export function linesOf(request: RequestRow, proven: number, gate: string | undefined): LineOf {
  const [, batch, subject, certificate, stream, receivedAt, instance, policy, revision, state, carriedBy, sealed] =
    request;
  const proof = state === 'unproven' || batch > proven ? 'unproven' : 'proven';
  const whose = `,${inner({ subject, certificate, stream })},"deviceTime":`;
  const when = `,${inner({ receivedAt: timestamp(Math.min(Math.max(receivedAt, firstTime), lastTime)) })},`;
  const carried = { sealed: sealed === 1, carriedBy };
  const how = `,${inner({ instance, policy, revision, proof, ...carried, ...(gate !== undefined && { gate }) })}`;
  const timeText = timeTexts();
  // What stands between time and data is written anew where the clock is another one than of the reading before.
  let [clockBefore, between] = ['', ''];
  return ([, id, deviceTime, clock, data, run, sequence]) => {
    const count = sequence === null ? uncounted : `,"sequence":${sequence},"run":"${run}"`;
    if (clock !== clockBefore) [clockBefore, between] = [clock, when + inner({ clock }) + how];
    return `{"id":${JSON.stringify(id)}${whose}${timeText(deviceTime)}${between}${count},"data":${lineText(data)}}\n`;
  };
}

const uncounted = ',"sequence":null,"run":null';

const inner = (members: Record<string, unknown>): string => JSON.stringify(members).slice(1, -1);

/** What RFC 3339 can write: years of four digits. */
const firstTime = Date.parse('0000-01-01T00:00:00.000Z');
const lastTime = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * Times as JSON. What no timestamp can say is not said: one row never keeps all others from being read. Readings of one request are of
 * few seconds, each of which is written once.
 */
function timeTexts(): (time: number | null) => string {
  let [second, text] = [Number.NaN, ''];
  return (time) => {
    if (time === null || time < firstTime || time > lastTime) return 'null';
    const [whole, rest] = [Math.floor(time / 1_000), ((time % 1_000) + 1_000) % 1_000];
    if (whole !== second) [second, text] = [whole, timestamp(whole * 1_000).slice(0, -'000Z'.length)];
    return `"${text}${String(rest).padStart(3, '0')}Z"`;
  };
}

/** The text as it was stored, on one line, and such that every reader of JSON takes it. */
export function lineText(data: string): string {
  const line = lineEnds.test(data) ? data.replaceAll(allLineEnds, ' ') : data;
  return surrogateEscape.test(line) ? line.replaceAll(escapes, escapeHalf) : line;
}

/** Outside of strings alone (RFC 8259 §7), where they mean nothing. */
const lineEnds = /[\r\n\t]/;
const allLineEnds = /[\r\n\t]+/g;
const surrogateEscape = /\\u[dD][89a-fA-F]/;
/** A whole pair, half of one, or any other escape. */
const escapes = /\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\./g;

/**
 * Half of a surrogate pair is no character (RFC 7493 §2.1), and jq refuses the whole line for it: it is given as the six
 * characters of its escape. None is taken since readings are read as I-JSON; rows that are older may hold one.
 */
const escapeHalf = (found: string, half: string | undefined): string => (half === undefined ? found : `\\${half}`);
