import { acceptConfig as accept } from '../authorities/authorities.ts';
import { FilesInCommon, loadFleetConfig } from '../config/config.ts';
import { besideStore } from '../storage/storage.ts';
import type { Output } from './output.ts';
import { placeIn } from './store-place.ts';

/** Nobody has to lead for it. @throws {PortcullisError} `config_invalid`, `fleet_missing`, `store_unavailable`, `store_version` */
export async function acceptConfig(directory: string, output: Output): Promise<void> {
  const config = loadFleetConfig(directory);
  const own = new FilesInCommon(directory, config).read();
  const { postgres } = placeIn(directory, config);
  if (!postgres) return output.result({ accepted: false, differs: [] }, 'its store is in a file, which it leads alone');
  const differs = await besideStore({ postgres }).write((db) => accept(db, own));
  const words = `${differs.map((one) => `${one}\n`).join('')}whoever has the configuration in this directory may lead next; stop who leads now, and give the others the same`;
  const accepted = differs.length > 0;
  output.result({ accepted, differs }, accepted ? words : 'the fleet is led by this configuration, or by none yet');
}
