import { once } from 'node:events';
import { isIP } from 'node:net';
import { counted, PortcullisError } from '@portcullis/contract';
import { Carrier } from '../carrying/carrier.ts';
import { Reception } from '../carrying/reception.ts';
import { noticeChanges, type Output } from './output.ts';
import { untilSignalled } from './signals.ts';

interface CarryCommand {
  /** Of the gateway: its credential is there, and what it carries. */
  directory: string;
  /** `HOST:PORT`. */
  listen: string | undefined;
}

/** Stays until it is told to stop: takes what devices sealed, and carries it to a gate. */
export async function carry({ directory, listen }: CarryCommand, output: Output): Promise<number> {
  const { host, port } = placeIn(listen);
  const stop = untilSignalled();
  const carrier = Carrier.open({ directory, onNotice: noticeChanges(output) });
  let reception: Reception | undefined;
  try {
    reception = await Reception.open(carrier, host, port);
    const name = isIP(host) === 6 ? `[${host}]` : host;
    output.notice(
      `portcullis-device: carrying as ${carrier.credential.subject}, listening on http://${name}:${reception.port}`,
    );
    if (!stop.signal.aborted) await once(stop.signal, 'abort');
  } finally {
    await reception?.close();
    await carrier.close();
    stop.close();
  }
  const { delivered, kept } = carrier;
  output.result({ delivered, kept }, `delivered ${counted(delivered, 'parcel')}, kept ${kept}`);
  return 0;
}

/** @throws {PortcullisError} `usage` */
function placeIn(listen: string | undefined): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(listen ?? '') ?? [];
  const host = bracketed ?? plain;
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new PortcullisError('usage', 'say where devices hand over: --listen HOST:PORT, such as 192.168.1.2:8088');
}
