/** What gate and desk have in common: where they keep what they have, and whom they ask. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import type { DeskConfig } from './config/config.ts';

/** The address that the authority is asked by, and those of all that may lead. */
export function allOf({ authority }: Pick<DeskConfig, 'authority'>) {
  const authorities = [authority].flat();
  return { authority: authorities[0] as string, authorities };
}

/** What it keeps is there once it has joined: a backup holds nothing of it. @throws {PortcullisError} `fleet_missing` */
export function homeIn(directory: string, kind: 'gate' | 'desk'): string {
  const home = join(directory, kind);
  if (existsSync(home)) return home;
  const why = `there is no "${home}", so this ${kind} has no credential; make a token for it, then run "portcullis ${kind} join ${directory} TOKEN"`;
  throw new PortcullisError('fleet_missing', why);
}
