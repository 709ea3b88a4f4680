import { type Enrolment, enrol } from '../credential/enrol.ts';
import { KnownTime } from '../credential/known-time.ts';
import { prove } from '../credential/prove.ts';
import { makeDirectory } from '../durable.ts';
import { holdDirectory } from '../lock.ts';
import { realSystem } from '../system.ts';
import type { Output } from './output.ts';

/** Enrols, and shows the new pair to a gate. The pair is on disk before that: a gate that is down loses nothing. */
export async function enrolDevice(
  asked: Pick<Enrolment, 'token' | 'directory' | 'keyFile' | 'keys' | 'replace'>,
  output: Output,
): Promise<number> {
  const { directory } = asked;
  makeDirectory(directory);
  const lock = holdDirectory(directory);
  const time = new KnownTime(realSystem);
  try {
    let replaced: string | undefined;
    const onReplaced = (where: string) => {
      replaced = where;
      output.notice(`portcullis-device: what was there before is in "${where}"`);
    };
    const credential = await enrol({ ...asked, onReplaced, time });
    const { subject, kind, fleet, notAfter, renewAfter, gates } = credential;
    const proof = await prove(credential, time);
    const proven = 'gate' in proof;
    const words = proven ? `${proof.gate} takes it` : `no gate has seen it yet: ${proof.why}`;
    output.result(
      {
        subject,
        kind,
        fleet,
        notAfter,
        renewAfter,
        gates,
        proven,
        ...(proven ? { gate: proof.gate } : { why: proof.why }),
        ...(replaced !== undefined && { replaced }),
      },
      `enrolled as ${subject} of ${fleet} until ${notAfter}; ${words}`,
    );
    return 0;
  } finally {
    lock.close();
  }
}
