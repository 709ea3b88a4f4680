import type { Store } from '../storage/storage.ts';
import type { Edge } from './facts.ts';

type Folding = Pick<
  Edge,
  'at' | 'after' | 'side' | 'ruleRevision' | 'unproven' | 'pauseMs' | 'source' | 'number' | 'gate'
>;

/** Edges of a sender that one step looks at. */
const edgesAtOnce = 1_000;

/**
 * Edges of one source in their order that say no more than the one before: the same side after a pause that is no silence. The one that
 * stays learns how far the readings of its run are apart.
 */
export function foldable(edges: readonly Folding[], silentMs: number): { gone: Folding[]; grown: Folding[] } {
  const gone: Folding[] = [];
  const grown = new Set<Folding>();
  let kept: Folding | undefined;
  for (const edge of edges) {
    const pause = edge.after === null ? Number.POSITIVE_INFINITY : edge.at - edge.after;
    const goesOn =
      kept && kept.source === edge.source && kept.side === edge.side && kept.ruleRevision === edge.ruleRevision;
    if (!kept || !goesOn || kept.unproven || edge.unproven || pause > silentMs) {
      kept = { ...edge };
      continue;
    }
    kept.pauseMs = Math.max(kept.pauseMs, pause, edge.pauseMs);
    grown.add(kept);
    gone.push(edge);
  }
  return { gone, grown: [...grown] };
}

/** Bounds what is kept of a sender that sends seldom, of which each reading is an edge. */
export async function foldSender(store: Store, of: { rule: string; sender: string; silentMs: number; before: number }) {
  const edges = await store.read((db) =>
    db
      .selectFrom('ruleEdges')
      .select(['gate', 'source', 'number', 'at', 'after', 'side', 'ruleRevision', 'unproven', 'pauseMs'])
      .where('rule', '=', of.rule)
      .where('sender', '=', of.sender)
      .where('at', '<', of.before)
      .where('late', '=', 0)
      .orderBy('source')
      .orderBy('number')
      .limit(edgesAtOnce)
      .execute(),
  );
  const told = edges.map((edge) => ({ ...edge, side: edge.side as Edge['side'], unproven: edge.unproven === 1 }));
  const { gone, grown } = foldable(told, of.silentMs);
  if (gone.length === 0) return;
  await store.change(
    async (db) => {
      for (const { gate, source, number, pauseMs } of grown)
        await db
          .updateTable('ruleEdges')
          .set({ pauseMs })
          .where((where) => where.and({ gate, source, number }))
          .execute();
      for (const { gate, source, number } of gone)
        await db
          .deleteFrom('ruleEdges')
          .where((where) => where.and({ gate, source, number }))
          .execute();
    },
    { durable: false },
  );
}
