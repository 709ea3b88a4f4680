import { PortcullisError } from '@portcullis/contract';
import { type Connections, raw } from './connections.ts';

/** The oldest that is tried: https://www.postgresql.org/support/versioning/ */
const versionMin = 15;

/** What a store and a sink promise rests on these. @throws {PortcullisError} `config_invalid` */
export async function requireServer(db: Connections['db'], of: 'store' | 'sink'): Promise<void> {
  const { rows } = await db.executeQuery<Record<'version' | 'number' | 'encoding' | 'fsync', string>>(
    raw(
      `SELECT current_setting('server_version') AS "version", current_setting('server_version_num') AS "number",
         current_setting('server_encoding') AS "encoding", current_setting('fsync') AS "fsync"`,
    ),
  );
  const { version, number, encoding, fsync } = rows[0] as Record<'version' | 'number' | 'encoding' | 'fsync', string>;
  const wrong = [
    ...(Number(number) < versionMin * 10_000 ? [`must be PostgreSQL ${versionMin} or newer, not ${version}`] : []),
    ...(encoding === 'UTF8' ? [] : [`must have the encoding UTF8, not ${encoding}`]),
    ...(fsync === 'on' ? [] : ['must not run with fsync off: what it has answered would be lost']),
  ];
  if (wrong.length > 0) throw new PortcullisError('config_invalid', `the database of "${of}" ${wrong.join(', and ')}`);
}
