import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { failures, type PortcullisError, SubjectId, TokenSecret } from '@portcullis/contract';
import { readCertificate } from '../pki/pki.ts';
import { type Log, SparseLines, type System } from '../telemetry/telemetry.ts';

interface Parts {
  log: Log;
  system: Pick<System, 'monotonic'>;
}

export interface Refusal {
  code: PortcullisError['code'];
  message: string;
}

/** Of one code: whoever floods a desk fills no disk. */
const lineEveryMs = 1_000;
const wordsMax = 300;

/** Each refusal by EST as a line of the log, which names nobody's secret; of one code at most one line a second. */
export class EstRefusals {
  readonly #parts: Parts;
  readonly #lines: SparseLines;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#lines = new SparseLines(lineEveryMs, parts.system);
  }

  /** `user`: who the request says it is from. */
  note(request: IncomingMessage, { code, message }: Refusal, user?: string): void {
    const named = Object.hasOwn(failures, code) ? code : 'unknown';
    const more = this.#lines.due(named);
    if (!more) return;
    const about = { code: named, why: message.slice(0, wordsMax), from: request.socket.remoteAddress };
    this.#parts.log.info({ ...about, ...claimedBy(request, user), ...more }, 'a request by EST was refused');
  }
}

/** Nothing of it is proven, but that the certificate's key was used. A secret in the wrong place is none's name. */
function claimedBy(request: IncomingMessage, user: string | undefined): { claimed?: string; certificate?: string } {
  if (user !== undefined) return nameIn(user);
  try {
    const leaf = (request.socket as TLSSocket).getPeerCertificate();
    if (!leaf?.raw) return {};
    const { fingerprint, subject } = readCertificate(leaf.raw);
    return { ...nameIn(subject), certificate: fingerprint };
  } catch {
    return {};
  }
}

function nameIn(text: string): { claimed?: string } {
  return SubjectId.safeParse(text).success && !TokenSecret.safeParse(text).success ? { claimed: text } : {};
}
