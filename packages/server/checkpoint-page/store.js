/** What this phone keeps: its key and certificate, and each arrival from the moment it was signed until its answer, and a while after. */
const keptMax = 100;

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('portcullis-checkpoint', 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('credential');
      request.result.createObjectStore('arrivals', { keyPath: 'arrival' });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Resolves when it is on disk, to what `work` asked for. */
async function within(name, mode, work) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(name, mode, { durability: 'strict' });
      const request = work(transaction.objectStore(name));
      transaction.oncomplete = () => resolve(request?.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

export const readCredential = (name = 'current') => within('credential', 'readonly', (store) => store.get(name));

export const keepCredential = (credential, name = 'current') =>
  within('credential', 'readwrite', (store) => store.put(credential, name));

/** A key that was made and has no certificate yet: there before it is asked for. `name`: what it is asked for. */
export const pendingKey = (name) => readCredential(name);
export const keepPendingKey = (key, name) => keepCredential(key, name);
export const forgetPendingKey = (name) => within('credential', 'readwrite', (store) => store.delete(name));

/** The oldest first. */
export async function arrivals() {
  const all = await within('arrivals', 'readonly', (store) => store.getAll());
  return all.toSorted((one, other) => (one.at < other.at ? -1 : 1));
}

export const keepArrival = (arrival) => within('arrivals', 'readwrite', (store) => store.put(arrival));

/** Those that were answered go, beyond so many; what waits stays. */
export async function forgetOld() {
  const answered = (await arrivals()).filter(({ state }) => state !== 'waiting');
  const old = answered.slice(0, Math.max(0, answered.length - keptMax));
  for (const { arrival } of old) await within('arrivals', 'readwrite', (store) => store.delete(arrival));
}
