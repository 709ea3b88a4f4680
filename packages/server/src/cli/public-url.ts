import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import type { Output } from './output.ts';

interface UrlOptions extends FleetOptions {
  url?: string;
}

/**
 * Where anybody reaches the desk, without a slash at its end: as it is given, else as the desk.yaml of the fleet directory says.
 * @throws {PortcullisError} `usage`, `config_invalid`
 */
export async function publicUrlOf(options: UrlOptions, output: Output): Promise<string> {
  const given = options.url ?? (await configured(directoryOf(options), output));
  if (given === undefined)
    throw new PortcullisError(
      'usage',
      'it is not known where anybody reaches the desk; say it with --url https://NAME',
    );
  const url = URL.parse(given);
  if (url && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '') return url.href.replace(/\/$/, '');
  throw new PortcullisError('usage', `"${given}" is not where a desk is; it must be like https://scan.example`);
}

async function configured(directory: string, output: Output): Promise<string | undefined> {
  if (!existsSync(join(directory, 'desk.yaml'))) return undefined;
  const { loadDeskConfig } = await import('../config/config.ts');
  const { url, listen, public: phones } = loadDeskConfig(directory);
  if (phones) return phones.url;
  if (listen.publicPort === undefined) return undefined;
  const own = `https://${new URL(url).hostname}:${listen.publicPort}`;
  output.notice(`phones do not know the fleet's root, and will not open ${own}; "public" of desk.yaml is for them`);
  return own;
}
