import { PortcullisError } from '@portcullis/contract';

/** Which gate took a pair in a handshake; or why none did. `reached`: one was there, and ended the connection of this pair, or kept silent. */
export type Proof = { gate: string } | { why: string; reached: boolean };

/** The first that takes it. A gate that is away disproves nothing. */
export async function provenBy(gates: readonly string[], show: (gate: string) => Promise<void>): Promise<Proof> {
  let proof: Proof = { why: 'no gate is known', reached: false };
  for (const gate of gates) {
    try {
      await show(gate);
      return { gate };
    } catch (error) {
      const reached = isReached(error);
      if (reached || !proof.reached) proof = { why: (error as Error).message, reached };
    }
  }
  return proof;
}

/** By an alert, or without a word once the handshake was over: both are how TLS 1.3 refuses a client (FIELD-NOTES B4). */
const isReached = (error: unknown) =>
  error instanceof PortcullisError && (error.code === 'not_authenticated' || error.detail.begun === true);
