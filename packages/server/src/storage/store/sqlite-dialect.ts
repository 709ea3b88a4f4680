import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { SqliteDialect, type SqliteStatement } from 'kysely';

/** How many compiled statements a connection keeps; Kysely's texts are few and repeat. */
const statementsMax = 500;

/**
 * Kysely's SQLite dialect on Node's own engine: the dialect asks for the shape of another driver, so this gives it that shape.
 * A writer begins `immediate`: it takes the lock at once, so that no transaction fails half-way for want of it.
 */
export function sqliteDialect(database: DatabaseSync, begin: 'begin' | 'begin immediate'): SqliteDialect {
  const prepare = keptStatements(database);
  return new SqliteDialect({
    database: {
      close: () => database.close(),
      prepare(sql) {
        // SQLite itself rolls back what a full disk stopped: https://sqlite.org/lang_transaction.html
        if (sql === 'rollback' && !database.isTransaction) return nothing;
        return prepare(sql === 'begin' ? begin : sql);
      },
    },
  });
}

/** The oldest gives way, so that lists of many lengths do not keep the others out. */
function keptStatements(database: DatabaseSync): (sql: string) => SqliteStatement {
  const statements = new Map<string, SqliteStatement>();
  return (sql) => {
    const known = statements.get(sql);
    if (known) return known;
    const statement = driverStatement(database.prepare(sql));
    for (const oldest of statements.keys()) {
      if (statements.size < statementsMax) break;
      statements.delete(oldest);
    }
    statements.set(sql, statement);
    return statement;
  };
}

function driverStatement(statement: StatementSync): SqliteStatement {
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
    run: (parameters) => {
      const { changes, lastInsertRowid } = statement.run(...(parameters as SQLInputValue[]));
      return { changes, lastInsertRowid };
    },
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])) as IterableIterator<unknown>,
  };
}

const nothing: SqliteStatement = {
  reader: false,
  all: () => [],
  run: () => ({ changes: 0, lastInsertRowid: 0 }),
  iterate: () => [].values(),
};
