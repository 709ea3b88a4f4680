import type { Log } from '../../telemetry/telemetry.ts';
import { parseAddress, type ReadText } from '../postgres/address.ts';
import { withAccount } from './account.ts';
import { isAway } from './away.ts';
import { parseStreamAddress } from './jetstream/address.ts';
import { LateSink } from './late-sink.ts';
import type { Sink } from './promises.ts';
import { openSqliteSink, type SqliteSink } from './sink-sqlite.ts';

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
  /** A spool stands before it. */
  isSpooled: boolean;
  log: Log;
}

/** Where a sink is, for people, without anything secret. @throws {PortcullisError} `config_invalid` */
export function sinkWords(url: string, readText: ReadText): string {
  return url.startsWith('nats:') ? parseStreamAddress(url, readText).words : parseAddress(url, readText, 'sink').words;
}

/**
 * One that is shared and away is tried until it is there.
 * @throws {PortcullisError} `store_locked`, `store_damaged`, `store_version`, `config_invalid`
 */
export async function openSink(place: SinkPlace): Promise<Sink> {
  const { directory, url, onBroken, isSpooled, log } = place;
  if (url === undefined) return openSqliteSink(directory, onBroken);
  const openWith = await openerOf(url, place);
  return withAccount(directory, onBroken, async (account) => {
    const open = () => openWith(account);
    try {
      return await open();
    } catch (error) {
      if (!isAway(error)) throw error;
      return new LateSink({ account, open, error, isSpooled, log });
    }
  });
}

/** A driver is loaded where it is used. */
async function openerOf(url: string, { readText, gate, holder, onBroken }: SinkPlace) {
  const parts = { gate: gate(), holder, onBroken };
  if (url.startsWith('nats:')) {
    const { openJetStreamSink } = await import('./jetstream/jetstream-sink.ts');
    const address = parseStreamAddress(url, readText);
    return (account: SqliteSink) => openJetStreamSink({ ...parts, address, account });
  }
  const address = parseAddress(url, readText, 'sink');
  const { openPostgresSink } = await import('./postgres/postgres-sink.ts');
  return (account: SqliteSink) => openPostgresSink({ ...parts, address, account });
}
