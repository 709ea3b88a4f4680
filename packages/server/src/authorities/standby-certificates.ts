/**
 * How a process that stands by gets its server certificate: it can record none, so it leaves a request in the store, and who leads signs and
 * records it. The key stays with who asks. What was not taken by the next time is gone, and who waits for it asks again.
 */
import { z } from 'zod';
import type { Reader, Writer } from '../storage/storage.ts';

const requestBytesMax = 16_384;
const Asked = z.object({
  /** PKCS#10 in DER, in base64. */
  request: z.base64().max(requestBytesMax),
  hosts: z.array(z.string().min(1).max(253)).min(1).max(64),
});
export type Asked = z.infer<typeof Asked>;

const prefix = { asked: 'standby-request ', signed: 'standby-certificate ' } as const;
/** More at once stand by nowhere. */
const askedMax = 16;
const signedMax = 4 * askedMax;

export async function ask(db: Writer, id: string, asked: Asked): Promise<void> {
  await db
    .insertInto('settings')
    .values({ name: prefix.asked + id, value: JSON.stringify(asked) })
    .execute();
}

/** What this process asked for and was not given, and what it was given: it has no use for either any more. */
export async function forget(db: Writer, id: string): Promise<void> {
  await db
    .deleteFrom('settings')
    .where('name', 'in', [prefix.asked + id, prefix.signed + id])
    .execute();
}

/** In PEM, with its issuer's; undefined: not yet. */
export async function signedFor(db: Reader, id: string): Promise<string | undefined> {
  const name = prefix.signed + id;
  const row = await db.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst();
  return row?.value;
}

/** Undefined in place of what is no request. */
export async function whoAsk(db: Reader): Promise<{ id: string; asked: Asked | undefined }[]> {
  const { asked: begin } = prefix;
  const rows = await db
    .selectFrom('settings')
    .selectAll()
    .where('name', 'like', `${begin}%`)
    .orderBy('name')
    .limit(askedMax)
    .execute();
  return rows.map(({ name, value }) => ({ id: name.slice(begin.length), asked: parsed(value) }));
}

function parsed(value: string): Asked | undefined {
  try {
    return Asked.parse(JSON.parse(value));
  } catch {
    return undefined;
  }
}

export async function putSigned(db: Writer, id: string, pem: string): Promise<void> {
  await db
    .deleteFrom('settings')
    .where('name', '=', prefix.asked + id)
    .execute();
  await forgetMany(db);
  await db
    .insertInto('settings')
    .values({ name: prefix.signed + id, value: pem })
    .execute();
}

/** Those whose process ended before it took its own are nobody's; one that is taken from somebody is asked for again. */
async function forgetMany(db: Writer): Promise<void> {
  const signed = db.selectFrom('settings').select('name').where('name', 'like', `${prefix.signed}%`);
  if ((await signed.execute()).length < signedMax) return;
  await db.deleteFrom('settings').where('name', 'like', `${prefix.signed}%`).execute();
}

/** Whom a client certificate is verified by, and whom it is signed by: what is public of the issuers. */
export async function trustIn(db: Reader): Promise<string> {
  const rows = await db
    .selectFrom('issuers')
    .select('certificate')
    .where('state', '<>', 'retired')
    .orderBy('madeAt')
    .orderBy('key')
    .execute();
  return rows.map(({ certificate }) => certificate).join('');
}
