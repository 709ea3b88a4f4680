import { jsonOf } from './item.ts';
import { readCbor } from './read-cbor.ts';
import { readJsonItem } from './read-json.ts';
import { readingsOf } from './senml.ts';
import { Unmappable } from './unmappable.ts';

/** The numbers of CoAP for what a payload is written in (RFC 7252 §12.3, RFC 8949 §9.3, RFC 8428 §12.4). */
export const payloadFormats = { json: 50, cbor: 60, senmlJson: 110, senmlCbor: 112 } as const;

/** A body as the gate's other ways in have it: one reading, or one a line. */
export interface MappedPayload {
  body: Buffer;
  type: 'application/json' | 'application/x-ndjson';
}

export interface PayloadRefused {
  refused: 'unknown_format' | 'malformed';
  detail: string;
}

/** `format` is what the message says it is; without a word it is JSON. `now` is when it came: times of SenML count from it. */
export function mapPayload(bytes: Buffer, format: number | undefined, now: number): MappedPayload | PayloadRefused {
  try {
    switch (format) {
      case undefined:
      case payloadFormats.json:
        return { body: bytes, type: 'application/json' };
      case payloadFormats.cbor:
        return { body: Buffer.from(jsonOf(readCbor(bytes))), type: 'application/json' };
      case payloadFormats.senmlJson:
        return lines(readingsOf(readJsonItem(bytes), now));
      case payloadFormats.senmlCbor:
        return lines(readingsOf(readCbor(bytes, 'text and integers'), now));
      default: {
        const known = Object.values(payloadFormats).join(', ');
        return { refused: 'unknown_format', detail: `content format ${format} is unknown; must be one of [${known}]` };
      }
    }
  } catch (error) {
    if (!(error instanceof Unmappable)) throw error;
    return { refused: 'malformed', detail: error.message };
  }
}

const lines = (texts: string[]): MappedPayload => ({
  body: Buffer.from(texts.join('\n')),
  type: 'application/x-ndjson',
});
