import { prototypeName } from '@portcullis/contract';

/** What a source says at once, whatever its format. */
export interface Delivery {
  format: SignalFormat;
  alerts: SignalAlert[];
  /** So many more there were, which the sender left out. */
  truncated: number;
  /** What an operator should know of how the sender is set up. */
  warnings: string[];
}

export const signalFormats = ['alertmanager', 'grafana', 'cloudevents', 'json'] as const;
export type SignalFormat = (typeof signalFormats)[number];

export interface SignalAlert {
  /** The sender's own name of it, the same for as long as it is the same trouble: a fingerprint, or an id. */
  key: string;
  status: 'firing' | 'resolved';
  /** Nanoseconds since 1970. */
  startsAt: bigint | null;
  endsAt: bigint | null;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  event?: SignalEvent;
  /** This one is refused, and why; those beside it are taken. */
  bad?: string;
}

/** Of the formats that carry more than labels. */
export type SignalEvent = {
  id: string;
  source: string;
  type: string;
  subject?: string;
  time?: string;
  data: unknown;
};

/** As Node has them: a header that came twice is a list of two. */
export type SignalHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** So many at once, and no more: what is not a delivery of alerts can hold millions of entries in the bytes that are taken. */
export const alertsMax = 20_000;
const keyLengthMax = 512;
/** Of labels and data together, as JSON has them: conditions take 64 KB at most. */
const meantBytesMax = 48 * 1024;
const annotationLengthMax = 2_048;
const annotationsMax = 64;
/** With what is meant, and the key, all of an alert has less than 64 KB then. */
const annotationBytesMax = 12 * 1024;
/** What stands where bytes were not UTF-8, and what ends a text in half of its readers: neither is what anybody meant. */
const unsound = /[\0\uFFFD]/;

/** An entry that can not be read at all is still one that is answered. */
export function badAlert(key: string, why: string): SignalAlert {
  return { key, status: 'firing', startsAt: null, endsAt: null, labels: {}, annotations: {}, bad: why };
}

/** Refuses what no condition should meet, and shortens what is there for people alone: a cut does not wait for a long text. */
export function judged(alert: SignalAlert, place: number): SignalAlert {
  const why = unsoundIn(alert) ?? tooLarge(alert);
  if (why !== undefined) {
    const { key, status } = alert;
    const isKey = key !== '' && key.length <= keyLengthMax && !unsound.test(key);
    return { ...badAlert(isKey ? key : placeOf(place), why), status };
  }
  return { ...alert, annotations: shortened(alert.annotations) };
}

/** The key of an entry that has none. */
export const placeOf = (place: number) => `entry ${place + 1}`;

function unsoundIn({ key, labels, annotations, event }: SignalAlert): string | undefined {
  if (key === '') return 'it has no key';
  const [at] = [...soundless(key, 'key'), ...soundless(labels), ...soundless(annotations), ...soundless(event)];
  if (at === undefined) return undefined;
  if (at === prototypeName) return `the member "${prototypeName}" is reserved`;
  return `"${at.replaceAll(/[\0\uFFFD]/g, '?').slice(0, 100)}" holds NUL or U+FFFD, which stands for bytes that are not UTF-8`;
}

/** Names that are unsound, and those under which there is an unsound text. */
function* soundless(value: unknown, name = ''): Generator<string> {
  if (typeof value === 'string' && unsound.test(value)) yield name;
  if (typeof value !== 'object' || value === null) return;
  for (const [inner, member] of Object.entries(value)) {
    if (unsound.test(inner) || inner === prototypeName) yield inner;
    yield* soundless(member, inner);
  }
}

function tooLarge({ key, labels, event }: SignalAlert): string | undefined {
  if (key.length > keyLengthMax) return `its key is longer than ${keyLengthMax} characters`;
  const bytes = Buffer.byteLength(JSON.stringify([labels, event ?? null]));
  return bytes > meantBytesMax ? `its labels and data have ${bytes} bytes; ${meantBytesMax} are allowed` : undefined;
}

/** A reaction may name any of them: they get shorter, rather than fewer. */
function shortened(annotations: Record<string, string>): Record<string, string> {
  const entries = Object.entries(annotations).slice(0, annotationsMax);
  for (let length = annotationLengthMax; length >= 1; length = Math.floor(length / 2)) {
    const short = Object.fromEntries(entries.map(([name, text]) => [name, cutAt(text, length)]));
    if (Buffer.byteLength(JSON.stringify(short)) <= annotationBytesMax) return short;
  }
  return {};
}

const cutAt = (text: string, length: number) =>
  text.length <= length ? text : `${text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '')}…`;
