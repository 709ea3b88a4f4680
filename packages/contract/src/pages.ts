import { z } from 'zod';

export const pageItemsMax = 1_000;
/** Lists over HTTP: a page and where the next begins. */
export const pageQuery = {
  after: z.string().max(256).optional(),
  limit: z.coerce.number().int().min(1).max(pageItemsMax).default(pageItemsMax),
};
/** What ended long ago, in place of the rest. */
export const archived = z.enum(['1']).optional();

export const PageQuery = z.strictObject(pageQuery);
export function page<Shape extends z.ZodType>(item: Shape) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}
