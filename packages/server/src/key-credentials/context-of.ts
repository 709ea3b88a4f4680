import { type KeyContext, type KeyContextQuery, keyServerId, PortcullisError } from '@portcullis/contract';
import { deriveContext } from '../oscore/oscore.ts';
import { contextMark, keyCredentialName } from '../pki/pki.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import type { KeyCredentialParts } from './open.ts';
import { readShared } from './secret.ts';

/** Up to here it is the sensor's alone (R1 of RFC 8613 appendix B.2), under which no gate takes a reading. */
const ofSensorBytesMax = 16;

export async function contextOf(
  { store, revocation, seal, system }: KeyCredentialParts,
  gate: string,
  { keyId, idContext }: KeyContextQuery,
): Promise<KeyContext> {
  requireOwn(gate, Buffer.from(idContext, 'hex'));
  const recipientId = Buffer.from(keyId, 'hex');
  const fingerprint = keyCredentialName(recipientId);
  const found = await store.read(async (db) => {
    const row = await revocation.find(fingerprint, db);
    const kept = await db
      .selectFrom('keyCredentials')
      .selectAll()
      .where('fingerprint', '=', fingerprint)
      .executeTakeFirst();
    return row && kept && { row, sealed: kept.sealed };
  });
  const now = system.now();
  if (found?.row.standing !== 'valid' || now < found.row.notBefore || now > found.row.notAfter) throw unknown(keyId);
  const { masterSecret, masterSalt: salt } = readShared(await seal.open(found.sealed, fingerprint));
  const senderId = Buffer.from(keyServerId, 'hex');
  const named = { senderId, recipientId, idContext: Buffer.from(idContext, 'hex') };
  const { senderKey, recipientKey, commonIv } = deriveContext({ masterSecret, salt, ...named });
  return {
    ...{ fingerprint, senderId: keyServerId, recipientId: keyId },
    senderKey: senderKey.toString('hex'),
    recipientKey: recipientKey.toString('hex'),
    commonIv: commonIv.toString('hex'),
    notAfter: timestamp(found.row.notAfter),
  };
}

const unknown = (keyId: string) =>
  new PortcullisError('key_credential_unknown', `the fleet has no key credential "${keyId}" that is valid`);

/** What is longer has what a gate made before the sensor's part: it is for that gate, whoever else asks. */
function requireOwn(gate: string, idContext: Buffer): void {
  const mark = contextMark(gate);
  if (idContext.length <= ofSensorBytesMax || idContext.subarray(0, mark.length).equals(mark)) return;
  throw new PortcullisError('id_context_not_allowed', `the ID context is not one that "${gate}" made`);
}
