import {
  ArrivalAnswer,
  arrivalTokenType,
  DeskArrivalRequest,
  DeskLookRequest,
  ExpectedNext,
  lookTokenType,
  PortcullisError,
  relayed,
  SignedArrival,
  SignedLook,
} from '@portcullis/contract';
import { type Route, route } from './route.ts';
import { answerArrival } from './shipments.ts';
import { signedByCheckpoint } from './signed-by-checkpoint.ts';

const bodyBytesMax = 72 * 1024;
const desk = { method: 'POST', kinds: ['desk'], bodyBytesMax } as const;
/** A look that was signed longer ago, or is from the future, is one that somebody kept. */
const lookMsMax = 300_000;

/** What checkpoints signed, and a desk carries: it is judged as if they had brought it themselves. */
export const deskArrivalsRoutes: readonly Route[] = [
  route({
    ...desk,
    path: '/v1/desk/arrivals',
    summary: 'An arrival that a checkpoint signed when it was scanned, and a desk relays',
    uses: ['journeys', 'refusedArrivals', 'revocation', 'system'],
    schemas: { body: relayed(DeskArrivalRequest) },
    answer: ArrivalAnswer,
    async handle({ journeys, refusedArrivals, ...rooms }, { body, reply }) {
      const { arrival: signature } = body.asked;
      const asked = { type: arrivalTokenType, shape: SignedArrival };
      const { said, by, peer } = await signedByCheckpoint(rooms, signature, asked);
      const record = () => journeys.record(by, { ...said, signature });
      return answerArrival(record, { checkpoint: peer.subject, refusedArrivals, reply });
    },
  }),
  route({
    ...desk,
    path: '/v1/desk/looks',
    summary: 'What is expected next of a shipment, for a checkpoint that signed the question',
    uses: ['journeys', 'revocation', 'system'],
    schemas: { body: relayed(DeskLookRequest) },
    answer: ExpectedNext,
    async handle({ journeys, ...rooms }, { body }) {
      const asked = { type: lookTokenType, shape: SignedLook };
      const { said, peer } = await signedByCheckpoint(rooms, body.asked.look, asked);
      if (Math.abs(Date.parse(said.at) - rooms.system.now()) > lookMsMax) {
        throw new PortcullisError(
          'clock_too_far_off',
          `it was signed at ${said.at}; sign it anew, by a clock that is right`,
        );
      }
      return journeys.expected(said.shipment, peer.subject);
    },
  }),
];
