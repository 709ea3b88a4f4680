import { hostname } from 'node:os';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { type FleetConfig, loadFleetConfig, textsIn } from '../config/config.ts';
import { type Opening, type StorePlace, storePlace } from '../storage/storage.ts';
import { realSystem } from '../telemetry/telemetry.ts';

/** Where the store of the fleet in this directory is. @throws {PortcullisError} `config_invalid` */
export const placeIn = (
  directory: string,
  { store }: Pick<FleetConfig, 'store'> = loadFleetConfig(directory),
): StorePlace => storePlace(join(directory, 'authority'), store, textsIn(directory));

/** As who a command of this process opens it. */
export const commandOpening = (): Opening => ({ system: realSystem, holder: `${hostname()}, process ${process.pid}` });

/** @throws {PortcullisError} `usage` where the store is in a database, which has its own ways for this */
export function requireFile(directory: string, what: string): void {
  if (placeIn(directory).postgres)
    throw new PortcullisError(
      'usage',
      `${what} is of a store in a file; copy the database with its own tools, such as pg_basebackup`,
    );
}
