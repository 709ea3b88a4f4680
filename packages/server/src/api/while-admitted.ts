import type { Journal } from '../journal/journal.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { System } from '../telemetry/telemetry.ts';
import { notAdmitted, type Peer, requireAdmitted } from './peer.ts';

interface Parts {
  journal: Pick<Journal, 'onChange'>;
  revocation: Pick<Revocation, 'find'>;
  system: System;
}

/** A far end is looked at again each minute: a wall clock that was set is noticed by then (FIELD-NOTES K4). */
const lookMsMax = 60_000;

/**
 * Work that lasts, for as long as the peer would still be let in (FIELD-NOTES A8): it is judged again by the rule of every
 * request at each change that touches its subject, and when its certificate ends. What can not be determined ends the work.
 * @throws {PortcullisError} `not_authenticated` when the peer was cut after its request was judged
 */
export async function whileAdmitted<Result>(
  parts: Parts,
  peer: Peer,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { journal, system } = parts;
  const over = new AbortController();
  const judge = () => requireAdmitted(parts, peer.fingerprint, [peer.kind]);
  const judgeAgain = () => void judge().catch(() => over.abort());
  const stopListening = journal.onChange(({ subjects }) => {
    if (subjects.some(({ subject }) => subject === peer.subject)) judgeAgain();
  });
  const stopWaiting = after(system, peer.notAfter, judgeAgain);
  try {
    // Whatever changed since the request was judged came before anybody listened here.
    await judge();
    // And what came while the store was read was heard here, where the work could not hear it yet.
    if (over.signal.aborted) throw notAdmitted();
    return await work(over.signal);
  } finally {
    stopListening();
    stopWaiting();
  }
}

/** Calls once the wall clock is past `at`. Returns how to give up. */
function after({ now }: System, at: number, call: () => void): () => void {
  let timer: NodeJS.Timeout;
  const look = () => {
    const leftMs = at + 1 - now();
    if (leftMs <= 0) return call();
    timer = setTimeout(look, Math.min(leftMs, lookMsMax)).unref();
  };
  // Never at once: what is over already is found by the judging that follows.
  timer = setTimeout(look, Math.min(Math.max(1, at + 1 - now()), lookMsMax)).unref();
  return () => clearTimeout(timer);
}
