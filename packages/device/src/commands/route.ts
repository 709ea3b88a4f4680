import { PortcullisError } from '@portcullis/contract';
import type { DeviceOptions } from '../sending-device.ts';

/** How readings get to a gate, and to which, where the credential is not to say. */
export type Route = Pick<DeviceOptions, 'by' | 'gates'>;

interface Named {
  mqtt: boolean;
  gate?: string[] | undefined;
  via?: string[] | undefined;
}

/** @throws {PortcullisError} `usage` */
export function routeOf({ mqtt, gate = [], via = [] }: Named): Route {
  if (via.length > 0) {
    if (mqtt || gate.length > 0)
      throw new PortcullisError('usage', '--via is a way of its own, beside --mqtt and --gate');
    return { by: 'sealed', gates: addressesOf('via', via, 'http:', 'what is sealed needs no other protection') };
  }
  const protocol = mqtt ? 'mqtts:' : 'https:';
  const gates = addressesOf('gate', gate, protocol, mqtt ? 'with --mqtt' : 'without --mqtt');
  return { by: mqtt ? 'mqtt' : 'https', ...(gates.length > 0 && { gates }) };
}

function addressesOf(option: string, urls: readonly string[], protocol: string, why: string): string[] {
  const wrong = urls.find((url) => !URL.canParse(url) || new URL(url).protocol !== protocol);
  if (wrong === undefined) return urls.map((url) => url.replace(/\/$/, ''));
  throw new PortcullisError(
    'usage',
    `--${option} "${wrong}" is not an address that begins with ${protocol}// (${why})`,
  );
}
