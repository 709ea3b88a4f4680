import type { RolloversView, RolloverView } from '@portcullis/contract';
import type { FleetIssuer, Issuance } from '../issuance/issuance.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import { isByItself } from './by-itself.ts';
import { belowIssuers, lackingBundle, lackingProcesses, lostBelow, olderTokens, withBelow } from './counts.ts';
import { countLive, type FillParts, signing } from './fill.ts';
import { isUnderWay, keysIn, type Row, roleIn, shownPhase } from './phases.ts';

const none = { count: 0, named: [] };

/** What is told of rollovers and of who signs. */
export class Views {
  readonly #parts: FillParts & { issuance: Issuance };

  constructor(parts: FillParts & { issuance: Issuance }) {
    this.#parts = parts;
  }

  async issuersNow(): Promise<RolloversView['issuers']> {
    const counts = await countLive(this.#parts);
    return signing(this.#parts.issuance.issuers()).map(({ name, role, state, fingerprint }) => ({
      ...{ name, live: counts?.get(fingerprint) ?? 0 },
      ...{
        role: role as RolloversView['issuers'][number]['role'],
        state: state as RolloversView['issuers'][number]['state'],
      },
    }));
  }

  async of(row: Row): Promise<RolloverView> {
    const { store, system } = this.#parts;
    const now = system.now();
    const all = this.named(keysIn(row.comes));
    const counts = isUnderWay(row) && row.phase !== 'asked';
    const bundle = await this.#bundleOf(row);
    const leaves = this.named(keysIn(row.leaves));
    const losing = withBelow(leaves, this.#parts.issuance.issuers());
    return {
      number: row.id,
      what: row.what === 'root' ? 'root' : roleIn(keysIn(row.comes)),
      phase: shownPhase(row),
      startedAt: timestamp(row.startedAt),
      changedAt: timestamp(row.changedAt),
      leaves: leaves.map(({ name }) => name),
      comes: all.length > 0 ? all.map(({ name }) => name) : keysIn(row.comes),
      bundle: row.bundle,
      byItself: await store.read((db) => isByItself(db, row.id)),
      lacking: counts ? await this.lackingOf(row) : none,
      below: counts
        ? await belowIssuers(store, losing, now)
        : row.what === 'root' && row.phase === 'retired'
          ? await lostBelow(store, losing, now)
          : none,
      tokens: counts && row.what === 'root' ? await olderTokens(store, bundle, now) : none,
    };
  }

  /** Of an issuer gates and desks alone: everybody else is shown its certificate by who has one below it. */
  async lackingOf(row: Row) {
    const { store, system, issuance } = this.#parts;
    const everybody = row.what === 'root' && row.phase !== 'retiring';
    const [bundle, now] = [await this.#bundleOf(row), system.now()];
    if (!everybody) return lackingProcesses(store, bundle, now);
    return lackingBundle(store, bundle, { now, renewableMs: issuance.renewableMs });
  }

  async #bundleOf({ bundle: version }: Row) {
    const row = await this.#parts.store.read((db) =>
      db.selectFrom('bundles').selectAll().where('version', '=', version).executeTakeFirst(),
    );
    const at = row?.at ?? 0;
    // Certificates carry whole seconds (RFC 5280 §4.1.2.5).
    return { version, at, notBeforeMin: at - this.#parts.issuance.lifetimes.backdateMs - 1_000 };
  }

  named(keys: readonly string[]): FleetIssuer[] {
    return this.#parts.issuance.issuers().filter(({ key }) => keys.includes(key));
  }
}
