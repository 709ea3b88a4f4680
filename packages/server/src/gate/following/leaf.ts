import { type Fingerprint, LeafAnswer, PortcullisError } from '@portcullis/contract';
import { type Link, parseAnswer, problemOf } from '@portcullis/device';

const leafTimeoutMs = 5_000;

/** The certificate of a fingerprint, in DER, as the authority says: whoever asks compares its hash. @throws {PortcullisError} */
export async function askForLeaf(link: Link, authority: string, fingerprint: Fingerprint): Promise<Buffer> {
  const url = `${authority}/v1/certificates/${fingerprint}/leaf`;
  const answer = await link.request({ url, timeoutMs: leafTimeoutMs });
  if (answer.status !== 200) throw problemOf(answer);
  const parsed = LeafAnswer.safeParse(parseAnswer(answer));
  if (!parsed.success) throw new PortcullisError('answer_malformed', `the answer of ${url} does not fit its schema`);
  return Buffer.from(parsed.data.certificate, 'base64');
}
