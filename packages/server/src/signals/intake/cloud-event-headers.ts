import { PortcullisError } from '@portcullis/contract';
import type { SignalHeaders } from './delivery.ts';

const prefix = 'ce-';
/** CloudEvents 1.0.2, HTTP binding §3.1.3.2: printable ASCII, all else percent-encoded. */
const printable = /^[\x20-\x7e]*$/;

/**
 * An event whose attributes are headers, as the same event would stand in JSON.
 * @throws {PortcullisError} `request_malformed`
 */
export function binaryEvent(headers: SignalHeaders, raw: Buffer, json: (raw: Buffer) => unknown): unknown {
  if (headers[`${prefix}specversion`] === undefined) {
    const why = 'it is neither application/cloudevents+json, nor a batch of them, nor has it a header "ce-specversion"';
    throw new PortcullisError('request_malformed', why);
  }
  const named = Object.keys(headers).filter((name) => name.startsWith(prefix));
  const attributes = named.map((name) => [name.slice(prefix.length), headerOf(headers, name)] as const);
  const type = headers['content-type'] === undefined ? undefined : headerOf(headers, 'content-type');
  const event = { ...Object.fromEntries(attributes), ...(type !== undefined && { datacontenttype: type }) };
  if (raw.length === 0) return event;
  if (isJsonType(type)) return { ...event, data: json(raw) };
  return /^text\//i.test(type ?? '') ? { ...event, data: raw.toString('utf8') } : event;
}

/** What is not said is JSON (CloudEvents 1.0.2 §3, `datacontenttype`). */
export function isJsonType(type: string | undefined): boolean {
  return type === undefined || /^[^;]+\/(json|[^;]+\+json)\s*(;|$)/i.test(type);
}

/** @throws {PortcullisError} `request_malformed` */
function headerOf(headers: SignalHeaders, name: string): string {
  const given = headers[name];
  const values = typeof given === 'string' ? [given] : (given ?? []);
  const [value = ''] = values;
  if (values.length !== 1) throw new PortcullisError('request_malformed', `the header "${name}" stands there twice`);
  if (!printable.test(value)) {
    throw new PortcullisError(
      'request_malformed',
      `the header "${name}" must be printable ASCII; all else is %-encoded`,
    );
  }
  try {
    // The same clause: what older senders put into quotes is taken out of them.
    return decodeURIComponent(/^"(.*)"$/.exec(value)?.[1]?.replaceAll(/\\(.)/g, '$1') ?? value);
  } catch (cause) {
    throw new PortcullisError('request_malformed', `the header "${name}" is not %-encoded UTF-8`, { cause });
  }
}
