import { createHash } from 'node:crypto';
import type { PublicCode } from '@portcullis/contract';

/** What a code is kept and found by: nobody reads a code from a store or a desk. */
export const codeHash = (code: PublicCode) => createHash('sha256').update(code).digest('hex');
