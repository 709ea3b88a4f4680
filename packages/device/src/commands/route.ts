import { PortcullisError } from '@portcullis/contract';
import type { DeviceOptions } from '../sending-device.ts';

/** How readings get to a gate, and to which, where the credential is not to say. */
export type Route = Pick<DeviceOptions, 'by' | 'gates'>;

/** @throws {PortcullisError} `usage` */
export function routeOf({ mqtt, gate = [] }: { mqtt: boolean; gate?: string[] | undefined }): Route {
  const protocol = mqtt ? 'mqtts:' : 'https:';
  const wrong = gate.find((url) => !URL.canParse(url) || new URL(url).protocol !== protocol);
  if (wrong !== undefined) {
    const other = mqtt ? 'with --mqtt' : 'without --mqtt';
    throw new PortcullisError('usage', `--gate "${wrong}" is not an address that begins with ${protocol}// (${other})`);
  }
  return { by: mqtt ? 'mqtt' : 'https', ...(gate.length > 0 && { gates: gate.map((url) => url.replace(/\/$/, '')) }) };
}
