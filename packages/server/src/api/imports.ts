import { ExportPage, ExportQuery, ImportAnswer, ImportRequest } from '@portcullis/contract';
import { type Route, route } from './route.ts';

export const importRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/imports',
    kinds: ['operator'],
    summary: 'Takes subjects with attributes and certificates as they were elsewhere; tells which rows it did not take',
    uses: ['imports'],
    schemas: { body: ImportRequest },
    answer: ImportAnswer,
    bodyBytesMax: 8 * 1024 * 1024,
    handle: ({ imports }, { body, by }) => imports.bring(by, body),
  }),
  route({
    method: 'GET',
    path: '/v1/exports',
    kinds: ['operator'],
    summary: 'Subjects with attributes and certificates, as an import takes them',
    uses: ['imports'],
    schemas: { query: ExportQuery },
    answer: ExportPage,
    handle: ({ imports }, { query }) => imports.export(query),
  }),
];
