/** The table of `journal/requests.ts`. */
export interface RequestsTables {
  /** What a change that carried a request id was answered by. `result` is JSON, `hash` of what was asked, `number` counts an actor's. */
  requests: {
    actor: string;
    id: string;
    hash: string;
    at: number;
    number: number;
    revision: number;
    result: string;
  };
}

export const requestsTables = `
  CREATE TABLE requests (
    actor TEXT NOT NULL, id TEXT NOT NULL, hash TEXT NOT NULL, at INTEGER NOT NULL, number INTEGER NOT NULL,
    revision INTEGER NOT NULL, result TEXT NOT NULL, PRIMARY KEY (actor, id)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX requestsByNumber ON requests (actor, number);
  CREATE INDEX requestsByAge ON requests (at);
`;
