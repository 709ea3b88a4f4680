import { isUtf8 } from 'node:buffer';
import { PortcullisError, readJson } from '@portcullis/contract';
import { readAlertmanager } from './alertmanager.ts';
import { readCloudEvents } from './cloud-events.ts';
import { alertsMax, type Delivery, type SignalFormat, type SignalHeaders } from './delivery.ts';
import { readJsonSignals } from './json-signals.ts';

/**
 * Bytes and headers of a signal → what it says, in one form. Pure. An entry that is bad is marked so, and those beside it are taken.
 * @throws {PortcullisError} `request_malformed`, `request_too_large`: of this delivery nothing can be read, now or later
 */
export function readDelivery(format: SignalFormat, headers: SignalHeaders, raw: Buffer): Delivery {
  const delivery = inFormat(format, headers, raw);
  if (delivery.alerts.length <= alertsMax) return delivery;
  throw new PortcullisError(
    'request_too_large',
    `the delivery holds ${delivery.alerts.length} alerts, not ${alertsMax}`,
  );
}

function inFormat(format: SignalFormat, headers: SignalHeaders, raw: Buffer): Delivery {
  if (format === 'cloudevents') {
    const read = readCloudEvents(headers, raw, jsonOf);
    if (!('refused' in read)) return read;
    throw new PortcullisError('request_malformed', read.refused);
  }
  const body = jsonOf(raw);
  const id = headers['webhook-id'];
  const read =
    format === 'json' ? readJsonSignals(body, typeof id === 'string' ? id : id?.[0]) : readAlertmanager(format, body);
  if (read) return read;
  const words = {
    json: 'an object or a list of objects',
    alertmanager: 'what Alertmanager’s webhook sends: an object with the list "alerts"',
    grafana: 'what Grafana’s webhook sends: an object with the list "alerts"',
  };
  throw new PortcullisError('request_malformed', `the body must be ${words[format]}`);
}

/** Numbers are the nearest that conditions can hold: nobody is given them back. @throws {PortcullisError} `request_malformed` */
function jsonOf(raw: Buffer): unknown {
  if (!isUtf8(raw)) throw new PortcullisError('request_malformed', 'the body is not UTF-8');
  const read = readJson(raw.toString('utf8'));
  if (!('refused' in read)) return read.value;
  throw new PortcullisError('request_malformed', `body: ${read.refused}`);
}
