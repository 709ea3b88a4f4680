import { admittedBy, type Rooms } from './route.ts';
import { apiRoutes, openRoutes, sourceRoutes } from './routes.ts';
import { makeServer } from './server.ts';

/** The OpenAPI 3.1 description, from the same schemas that check. What sources without a certificate ask is the same as what others ask. */
export async function describeApi(): Promise<unknown> {
  const server = await makeServer({} as Rooms, [...apiRoutes, ...openRoutes], {} as never);
  await server.ready();
  const description = server.swagger();
  await server.close();
  return description;
}

/** Method, path and kinds of every route, as the documentation lists them. */
export function listRoutes(): {
  listener: 'API' | 'enrolment' | 'sources';
  method: string;
  path: string;
  kinds: string;
  summary: string;
  /** A retry by the same `Idempotency-Key` is answered as the first one was. */
  once: boolean;
}[] {
  const rows = [
    ...apiRoutes.map((row) => ({ ...row, listener: 'API' as const })),
    ...openRoutes.map((row) => ({ ...row, listener: 'enrolment' as const })),
    ...sourceRoutes.map((row) => ({ ...row, listener: 'sources' as const })),
  ];
  return rows.map(({ listener, summary, once = false, ...row }) => {
    const { method, path } = row;
    return { listener, method, path, kinds: admittedBy(row) || 'anybody', summary, once };
  });
}
