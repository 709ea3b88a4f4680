import type { Asking } from '../src/issuance/issuance.ts';

/** Who asks for a client certificate, where a test is not about that. */
export const asking: Asking = { way: 'token', est: false, attributes: async () => new Map() };
