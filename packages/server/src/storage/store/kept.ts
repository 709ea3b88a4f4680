import type { Compilable, CompiledQuery } from 'kysely';
import type { Reader, Writer } from './promises.ts';

/** Stands where a value will be. */
class Place {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

type Build<Values, Row, Db> = (db: Db, of: Values) => Compilable<Row>;

/**
 * A statement whose text is made once for each store, where Kysely would make it at each call: for those that every certificate or change
 * asks. `names`: of all values that it takes. No text may depend on a value: `null` is given as one, and lists are not.
 */
export function kept<Values extends object, Row = unknown, Db extends Reader = Writer>(
  names: readonly (keyof Values & string)[],
  build: Build<Values, Row, Db>,
): (db: Db, values: Values) => Promise<Row[]> {
  const of = Object.fromEntries(names.map((name) => [name, new Place(name)])) as Values;
  /** By what compiles for a store: its texts are of its engine. */
  const texts = new WeakMap<object, CompiledQuery<Row>>();
  return async (db, values) => {
    const asked = db as unknown as Writer;
    const { adapter } = asked.getExecutor();
    const text = texts.get(adapter) ?? build(db, of).compile();
    texts.set(adapter, text);
    const parameters = text.parameters.map((one) => (one instanceof Place ? values[one.name as keyof Values] : one));
    const asking: CompiledQuery<Row> = { ...text, parameters };
    return (await asked.executeQuery(asking)).rows;
  };
}
