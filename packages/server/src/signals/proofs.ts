import { type AttributeValue, PortcullisError, type StreamName } from '@portcullis/contract';
import { proofRule } from './plan.ts';
import type { ReactionsBySource } from './promises.ts';

/** What gates are to look at so that a device can prove that it is well. */
export interface Proof {
  /** As `Proven` asks for it. */
  rule: string;
  streams: readonly StreamName[];
  outside: string;
  inside: string;
}

export function proofsOf(signals: ReactionsBySource): Proof[] {
  return reactionsOf(signals).flatMap(({ source, index, reaction: { proof } }) =>
    proof
      ? { rule: proofRule(source, index), streams: [proof.stream], outside: `!(${proof.inside})`, inside: proof.inside }
      : [],
  );
}

/** While it is held its readings must be admitted, or it can never prove anything. @throws {PortcullisError} `config_invalid` */
export function requireProvable(
  signals: ReactionsBySource,
  whyNot: (stream: string, held: Readonly<Record<string, AttributeValue>>) => string | undefined,
): void {
  for (const { source, index, reaction } of reactionsOf(signals)) {
    const why = reaction.proof && whyNot(reaction.proof.stream, reaction.hold ?? {});
    if (why === undefined) continue;
    const where = `fleet.yaml: signals.${source}.reactions.${index}.proof`;
    throw new PortcullisError('config_invalid', `${where}: ${why}; whoever is held could never prove that all is well`);
  }
}

const reactionsOf = (signals: ReactionsBySource) =>
  Object.entries(signals).flatMap(([source, { reactions }]) =>
    reactions.map((reaction, index) => ({ source, index, reaction })),
  );
