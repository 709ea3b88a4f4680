import { parseAddress, type ReadText } from '../postgres/address.ts';
import { parseStreamAddress } from './jetstream/address.ts';
import type { Sink } from './promises.ts';
import { openSqliteSink } from './sink-sqlite.ts';

export interface SinkPlace {
  /** The gate's own: where its sink is, or its account of senders where the sink is in a database. */
  directory: string;
  /** "sink" of the configuration. */
  url: string | undefined;
  readText: ReadText;
  /** The name that the gate has in a sink which it shares. */
  gate(): string;
  /** This process, told apart from every other one. */
  holder: string;
  /** Told when this process can store nothing more: only another one can. */
  onBroken(error: Error): void;
}

/** Where a sink is, for people, without anything secret. @throws {PortcullisError} `config_invalid` */
export function sinkWords(url: string, readText: ReadText): string {
  return url.startsWith('nats:') ? parseStreamAddress(url, readText).words : parseAddress(url, readText, 'sink').words;
}

/** @throws {PortcullisError} `store_locked`, `store_damaged`, `store_version`, `store_unavailable`, `config_invalid` */
export async function openSink({ directory, url, readText, gate, holder, onBroken }: SinkPlace): Promise<Sink> {
  if (url === undefined) return openSqliteSink(directory, onBroken);
  if (url.startsWith('nats:')) {
    const { openJetStreamSink } = await import('./jetstream/jetstream-sink.ts');
    return openJetStreamSink({ address: parseStreamAddress(url, readText), gate: gate(), holder, directory, onBroken });
  }
  const address = parseAddress(url, readText, 'sink');
  // A driver is loaded where it is used.
  const { openPostgresSink } = await import('./postgres/postgres-sink.ts');
  return openPostgresSink({ address, gate: gate(), holder, directory, onBroken });
}
