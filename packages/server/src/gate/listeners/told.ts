import { type Problem, type ReasonCode, reasons } from '@portcullis/contract';
import type { Replica } from '../../replica/replica.ts';
import type { Refused } from '../admission/admit.ts';
import { bounded } from '../admission/bounded.ts';
import type { Bearer } from '../connections/bearer.ts';

/** What a device may be told of its refusal (P10), over whatever it speaks: expected and found of public attributes alone. */
export function toldOf(refused: Refused, bearer: Bearer, replica: Replica): Problem {
  const itself = reasons[refused.reason].told === 'itself';
  const reason: ReasonCode = itself ? refused.reason : 'not_admitted';
  const { attribute, withheld, detail } = refused;
  const shown =
    itself && attribute !== undefined && !withheld && replica.attribute(bearer.subject, attribute)?.public === true;
  return {
    ...problemOf(reason, reasons[reason]),
    ...(detail !== undefined && { detail: String(bounded(detail)) }),
    ...(shown && {
      expected: { [attribute]: bounded(refused.expected) },
      found: { [attribute]: bounded(refused.found) },
    }),
    ...(itself && refused.line !== undefined && { line: refused.line }),
  };
}

/** RFC 9457. */
export function problemOf(code: string, { status, title }: { status: number; title: string }): Problem {
  return { type: 'about:blank', title, status, reason: code };
}
