import { AlertRetryRequest, AlertsQuery, AlertTestRequest, AlertView, page } from '@portcullis/contract';
import { z } from 'zod';
import { type Route, route } from './route.ts';

export const alertsRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/alerts',
    kinds: ['operator'],
    summary: 'Alerts, the newest first, and how far each target is with them',
    uses: ['alerts'],
    schemas: { query: AlertsQuery },
    answer: page(AlertView),
    handle: ({ alerts }, { query }) => alerts.list(query),
  }),
  route({
    method: 'POST',
    path: '/v1/alerts/retry',
    kinds: ['operator'],
    summary: 'Tries at once what waits to be told, and anew what is dead',
    uses: ['alerts'],
    schemas: { body: AlertRetryRequest },
    answer: z.object({ retried: z.int().nonnegative() }),
    handle: async ({ alerts }, { body, by }) => ({ retried: await alerts.retry(by, body) }),
  }),
  route({
    method: 'POST',
    path: '/v1/alerts/test',
    kinds: ['operator'],
    summary: 'Raises an alert that says nothing, to see whether it arrives',
    uses: ['alerts'],
    schemas: { body: AlertTestRequest },
    answer: z.object({ alert: z.string() }),
    handle: async ({ alerts }, { body, by }) => ({ alert: await alerts.test(by, body) }),
  }),
];
