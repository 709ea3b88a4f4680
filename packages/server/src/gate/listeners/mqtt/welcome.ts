import { readingBounds } from '@portcullis/contract';
import type { IConnectPacket } from 'mqtt-packet';
import type { Fault } from './fault.ts';
import type { Wanted } from './say.ts';

/** A body of readings, its topic and its properties. */
export const packetBytesMax = readingBounds.bodyBytesMax + 65_536;
/** Said to the client and kept to softly, since some exceed it: what is above waits in the network. */
export const receiveMaximum = 256;
/** 3.1.1 §3.2.2.3: identifier rejected. */
const identifierRejectedIn4 = 2;

interface Welcome {
  clientId: string;
  /** Of CONNACK in MQTT 5. */
  properties: object;
}

/** What is said to a client that comes in. Nothing is named that some clients take for a reason to stay away or to drop what they have. */
export function welcomeOf(
  { protocolVersion, clientId, clean, properties }: IConnectPacket,
  make: () => string,
  now: number,
): Welcome | Fault {
  if (protocolVersion !== 5) {
    if (clientId !== '' || clean) return { clientId, properties: {} };
    return { code: identifierRejectedIn4, words: 'no client identifier, and a session is to be kept' };
  }
  const assigned = clientId === '' ? make() : undefined;
  return {
    clientId: assigned ?? clientId,
    properties: {
      ...(assigned !== undefined && { assignedClientIdentifier: assigned }),
      // §3.2.2.3.2: no session outlives its connection.
      ...((properties?.sessionExpiryInterval ?? 0) > 0 && { sessionExpiryInterval: 0 }),
      ...{ receiveMaximum, maximumPacketSize: packetBytesMax, topicAliasMaximum: 0, maximumQoS: 1 },
      ...{ retainAvailable: false, wildcardSubscriptionAvailable: false, sharedSubscriptionAvailable: false },
      subscriptionIdentifiersAvailable: false,
      // As the header of HTTP: a device without a clock of its own knows how far its own is off.
      userProperties: { date: new Date(now).toUTCString() },
    },
  };
}

export function wantedOf({ properties }: IConnectPacket): Wanted {
  const { maximumPacketSize = Number.POSITIVE_INFINITY, requestProblemInformation = true } = properties ?? {};
  return { packetBytesMax: maximumPacketSize, problems: requestProblemInformation };
}
