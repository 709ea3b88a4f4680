import { PortcullisError, type ShipmentRequest } from '@portcullis/contract';
import type { By, ChangeTransaction } from '../journal/journal.ts';
import { goOn } from '../telemetry/telemetry.ts';
import { enter } from './arrivals.ts';
import { Catalogue } from './catalogue.ts';
import { JourneyClock } from './clock.ts';
import { takeBack } from './corrections.ts';
import { createShipment } from './create.ts';
import { declare } from './declare.ts';
import { meets } from './facts.ts';
import type { JourneyParts, Journeys } from './promises.ts';
import { stepOf } from './sequence.ts';
import { requireShipment, type Shipment, Versions } from './shipment.ts';
import { steer } from './steer.ts';
import { namedIn, publicName, publicOf } from './telling.ts';
import { expectedNext, listShipments, shipmentView } from './views.ts';

/** How late something may ring that rings by the clock alone. */
const tickMs = 1_000;

/** How what this room alone writes of a shipment is changed. */
const reserved = {
  journey: '"shipment create" and "shipment reroute" do it',
  step: 'arrivals at checkpoints do it',
  state: 'arrivals at checkpoints do it, and "shipment stop" and "shipment resume"',
};

/** @throws {PortcullisError} `config_invalid` where a file holds no journey */
export async function openJourneys(given: JourneyParts): Promise<Journeys> {
  const { store, journal, attributes, source, system } = given;
  const versions = new Versions();
  const catalogue = new Catalogue({ store, journal, source, now: system.now });
  for (const [name, by] of Object.entries(reserved)) attributes.reserve({ kind: 'shipment', name, by });
  await catalogue.refresh();
  const parts = { ...given, versions, catalogue };
  const clock = keepTime(new JourneyClock({ ...parts, now: system.now }), given.log);
  return { ...changes(parts), ...looks(parts), [Symbol.asyncDispose]: clock };
}

interface Parts extends JourneyParts {
  versions: Versions;
  catalogue: Catalogue;
}

type Looks = 'list' | 'shipments' | 'read' | 'expected' | 'publicOf' | 'publicName' | 'namedIn';

function looks({ store, attributes, versions, catalogue }: Parts): Pick<Journeys, Looks> {
  return {
    list: () => catalogue.list(),
    shipments: (query) => store.read((db) => listShipments(db, query)),
    read: (id) => store.read(async (db) => shipmentView(db, await requireShipment(db, versions, id))),
    expected: (id, checkpoint) =>
      store.read(async (db) => {
        const shipment = await requireShipment(db, versions, id);
        const values = await attributes.valuesOf(db, checkpoint);
        return expectedNext(shipment, (step) => meets(values, stepOf(shipment.journey, step)?.by ?? {}));
      }),
    publicOf: (db, ids) => publicOf(db, versions, ids),
    publicName,
    namedIn,
  };
}

function changes(parts: Parts): Pick<Journeys, 'create' | 'record' | 'takeBack' | 'declare' | 'steer'> {
  const { journal, attributes, catalogue, versions } = parts;
  /** One revision of one shipment, by what is so of it then. */
  const ofOne = <T>(
    by: By & { action: string },
    id: string,
    work: (change: ChangeTransaction, shipment: Shipment) => Promise<T>,
  ) =>
    journal.change(by, async (change) => {
      await attributes.requirePreconditions(change.db, [id], {});
      return work(change, await requireShipment(change.db, versions, id));
    });
  return {
    async create(by, request) {
      await catalogue.refresh();
      const entry = { ...by, reason: request.reason, action: 'shipment.create' };
      const label = request.tracker === undefined ? await labelOf(parts, request) : undefined;
      const made = await journal.change(entry, async (change) => {
        const code = await createShipment(parts, change, request);
        await label?.record(change);
        return code;
      });
      return { shipment: request.shipment, revision: made.revision, code: made.result };
    },
    async record(by, asks) {
      const says = { subject: by.actor, isDeclared: false };
      const { result } = await journal.change({ ...by, action: 'arrival.record', together: true }, async (change) => {
        // What a bulk change put in force of these two is in the rows that are looked at.
        await attributes.requirePreconditions(change.db, [by.actor, asks.shipment], {});
        return enter(parts, change, asks, says);
      });
      if (result) return result;
      throw new PortcullisError('subject_unknown', `the fleet has no shipment "${asks.shipment}"`);
    },
    async takeBack(by, id, request) {
      const entry = { ...by, reason: request.reason, action: 'arrival.void' };
      const { revision } = await ofOne(entry, id, (change, shipment) => takeBack(parts, change, shipment, request));
      return { revision };
    },
    async declare(by, id, { reason, replaces, ...said }) {
      const entry = { ...by, reason, action: 'arrival.declare' };
      const asks = { ...said, shipment: id };
      const { result } = await ofOne(entry, id, (change) => declare(parts, change, { asks, replaces, reason }));
      return result;
    },
    async steer(by, id, request) {
      await catalogue.refresh();
      const entry = { ...by, reason: request.reason, action: `shipment.${request.action}` };
      const done = await ofOne(entry, id, (change, shipment) => steer(parts, change, shipment, request));
      return { revision: done.revision, changed: done.result };
    },
  };
}

/** Looks at the clock; returns how to stop. */
function keepTime(clock: JourneyClock, log: JourneyParts['log']): () => Promise<void> {
  const step = () =>
    clock.tick().catch((error: unknown) => {
      log.error({ err: error }, "couldn't look what is late; trying again in a moment");
      return false;
    });
  return goOn(step, tickMs, { moreMs: 0, restMs: tickMs });
}

/** Attributes that say what a load is called in trade. */
const inTrade: ReadonlySet<string> = new Set(['gtin', 'serial', 'sscc']);

/** Signed before the revision, since that takes the store itself: one whose shipment is refused then is nobody's. */
function labelOf({ labels }: Pick<Parts, 'labels'>, { shipment, journey, attributes = {} }: ShipmentRequest) {
  const called = Object.entries(attributes).flatMap(([name, value]) =>
    inTrade.has(name) && typeof value === 'string' ? [[name, value]] : [],
  );
  return labels.make(shipment, { journey, ...Object.fromEntries(called) });
}
